"""`phi3scaffold model|finetune|merge|export|evaluate|run`: bring stages up to date."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from phi3scaffold.project.errors import ScaffoldError

if TYPE_CHECKING:
    from phi3scaffold.project.settings import Project


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--local", action="store_true", help="on this machine's CPU, whatever the target"
    )
    parser.add_argument(
        "--nproc",
        type=int,
        default=1,
        metavar="N",
        help="train in N processes of this machine, one for each GPU; under torchrun it is "
        "torchrun that says how many (default: 1)",
    )


def run(args: argparse.Namespace) -> int:
    """Run the stage that was typed, and what it needs, skipping what is up to date."""
    from phi3scaffold.targets.registry import runs_remotely

    project = chosen(args)
    if runs_remotely(project, args.verb):
        if args.nproc != 1:
            raise ScaffoldError(
                "--nproc is for this machine.",
                where="fine-tuning/job.yml: distribution.process_count_per_instance",
                fix="write it there; or run here: --local",
            )
        from phi3scaffold.cli.job.submit import submit_and_follow
        from phi3scaffold.targets.registry import remote_target

        return submit_and_follow(remote_target(project, args.verb), project)
    if args.nproc != 1 and "RANK" not in os.environ:
        return in_processes(args, project)
    bring_up_to_date(args)
    return 0


def in_processes(args: argparse.Namespace, project: Project) -> int:
    """The same command in several processes, each of which finds torchrun's environment."""
    from phi3scaffold.pipeline import environment
    from phi3scaffold.pipeline.launch import check_count, launch
    from phi3scaffold.targets.registry import check_target, target_of

    environment.prepare()
    check_target(project, args.verb)
    check_count(args.nproc, on_gpus=target_of(project).uses_gpu and not project.local)
    return launch(args.nproc, args.words)


def chosen(args: argparse.Namespace) -> Project:
    """The project that the arguments mean."""
    from dataclasses import replace

    from phi3scaffold.project.settings import find_project

    found = find_project(args.project)
    return replace(found, local=args.local)


def bring_up_to_date(args: argparse.Namespace, *, summary: bool = True) -> Project:
    """Run the stage of `args.verb` and those before it; with `summary`, say what came out."""
    from phi3scaffold.cli.ui.run_progress import show_progress, silent
    from phi3scaffold.pipeline import environment, ranks
    from phi3scaffold.targets.registry import check_target

    environment.prepare()
    project = chosen(args)
    check_target(project, args.verb)

    from phi3scaffold.pipeline.runner import run_pipeline
    from phi3scaffold.reporting.tracking import tracked
    from phi3scaffold.stages.graph import STAGES, run_by

    shown = silent() if ranks.here().number else show_progress(project, summary=summary)
    with shown as emit, tracked(project, emit) as told:
        run_pipeline(project, run_by(args.verb), STAGES, told)
    return project
