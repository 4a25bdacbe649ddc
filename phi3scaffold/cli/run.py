"""`phi3scaffold run`: say what the whole pipeline will take, search if wanted, and run it."""

from __future__ import annotations

import argparse
import os
import sys

from phi3scaffold.cli import optimize, plan, stage
from phi3scaffold.project.formatting import duration
from phi3scaffold.project.settings import Project

LONG = 600.0  # seconds; a longer run is confirmed
SHORT = 20.0  # seconds; the plan of a shorter run is not worth reading
YES = ("y", "yes")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    stage.add_arguments(parser)
    parser.add_argument(
        "--dry-run", action="store_true", help="print the plan (phi3scaffold plan) and run nothing"
    )
    parser.add_argument(
        "--yes", action="store_true", help="do not ask before a run of more than ten minutes"
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help="read every file of every result again, instead of those whose size, times or inode "
        "have changed; what is damaged is made again",
    )


def run(args: argparse.Namespace) -> int:
    from phi3scaffold.targets.registry import runs_remotely

    if args.dry_run:
        args.json, args.price, args.tflops = False, None, None
        return plan.run(args)
    project = stage.find(args)
    here = not runs_remotely(project) and "RANK" not in os.environ
    if args.verify and here:
        from phi3scaffold.pipeline.hashing import project_cache

        with project_cache(project) as cache:
            cache.forget()
    if here and not _agreed(args, project):
        print("not run")
        return 0
    if here and project.optimize and args.nproc == 1:
        optimize.search_before_run(args, project.optimize)
    return stage.run(args)


def _agreed(args: argparse.Namespace, project: Project) -> bool:
    """Print the plan of a run that takes its time; return whether to go on.

    Raises:
        ScaffoldError: this machine's memory cannot hold the run.
    """
    from phi3scaffold.cli.ui import plan_screen
    from phi3scaffold.pipeline import environment
    from phi3scaffold.pipeline.runner import check_settings
    from phi3scaffold.project.errors import ScaffoldError
    from phi3scaffold.search.forecast import forecast
    from phi3scaffold.stages.graph import STAGES, up_to
    from phi3scaffold.targets.registry import check_target

    environment.prepare()
    check_target(project, "run")
    check_settings(project, up_to(), STAGES)
    try:
        found = forecast(project, up_to(), STAGES, measure=None, say=plan.say)
    except (ScaffoldError, OSError):  # the stage that it is about says it better
        return True
    args.forecast = found
    if found.seconds > SHORT:
        plan_screen.show(found)
    plan.refuse_too_large(found, project)
    at_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if args.yes or not at_terminal or found.seconds < LONG:
        return True
    question = f"This takes about {duration(found.seconds)}. Run it? [y/N] "
    return input(question).strip().lower() in YES
