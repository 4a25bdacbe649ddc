"""`phi3scaffold model|finetune|merge|adapters|run`: bring stages up to date."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from phi3scaffold.cli.option_types import count
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.settings import Project, find_project

if TYPE_CHECKING:
    from phi3scaffold.pipeline.events import Emit
    from phi3scaffold.search.forecast import Forecast


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--local", action="store_true", help="use this machine's CPU, whatever the target"
    )
    parser.add_argument(
        "--nproc",
        type=count,
        default=1,
        metavar="N",
        help="train in N processes on this machine, one for each GPU (default: 1); torchrun "
        "sets the number itself",
    )


def run(args: argparse.Namespace) -> int:
    """Run the stage of the verb and those before it, and skip what is up to date."""
    from phi3scaffold.targets.registry import remote_target, runs_remotely

    project = find(args)
    if runs_remotely(project, args.verb):
        if args.nproc != 1:
            raise ScaffoldError(
                "--nproc is for runs on this machine, and this project runs in the cloud.",
                where="fine-tuning/job.yml: distribution.process_count_per_instance",
                fix="set it there; or run on this machine: --local",
            )
        from phi3scaffold.cli.job.submit import submit_and_follow

        return submit_and_follow(remote_target(project, args.verb), project)
    if args.nproc != 1 and "RANK" not in os.environ:
        return _run_in_processes(args, project)
    bring_up_to_date(args)
    return 0


def _run_in_processes(args: argparse.Namespace, project: Project) -> int:
    """Run the same command in several processes, each in torchrun's environment."""
    from phi3scaffold.models.base_model import base_bytes
    from phi3scaffold.pipeline import environment
    from phi3scaffold.pipeline.launch import check_count, launch
    from phi3scaffold.stages.graph import STAGES, run_by
    from phi3scaffold.targets.registry import check_target, target_of

    environment.prepare()
    check_target(project, args.verb)
    shared = [STAGES[name] for name in run_by(args.verb) if STAGES[name].parallel]
    check_count(
        args.nproc,
        on_gpus=target_of(project).uses_gpu and not project.local,
        memory=max(stage.resources.memory(project, base_bytes(project)) for stage in shared),
    )
    return launch(args.nproc, args.words)


def find(args: argparse.Namespace) -> Project:
    """Return the project that the options name."""
    return replace(find_project(args.project), local=args.local)


def bring_up_to_date(args: argparse.Namespace, *, summary: bool = True) -> Project:
    """Run the stage of `args.verb` and those before it; with `summary`, print the results."""
    from phi3scaffold.cli.ui.run_progress import show_progress
    from phi3scaffold.pipeline import environment, ranks
    from phi3scaffold.pipeline.events import ignore
    from phi3scaffold.targets.registry import check_target

    environment.prepare()
    project = find(args)
    check_target(project, args.verb)

    from phi3scaffold.pipeline.runner import run_pipeline
    from phi3scaffold.reporting.tracking import track_run
    from phi3scaffold.stages.graph import STAGES, run_by

    is_first = not ranks.here().number
    names = run_by(args.verb)
    progress: AbstractContextManager[Emit] = nullcontext(ignore)
    if is_first:
        found = getattr(args, "forecast", None) or try_forecast(project, names)
        progress = show_progress(project, summary=summary, forecast=found)
    with progress as emit, track_run(project, emit, STAGES) as tracked_emit:
        run_pipeline(project, names, STAGES, tracked_emit)
    return project


def try_forecast(project: Project, names: Sequence[str]) -> Forecast | None:
    """Return the forecast of a run, without measuring; None where the project's files are wrong.

    The stage that reads such a file says so better.
    """
    from phi3scaffold.search.forecast import forecast
    from phi3scaffold.stages.graph import STAGES

    try:
        return forecast(project, names, STAGES, measure=False)
    except (ScaffoldError, OSError):
        return None
