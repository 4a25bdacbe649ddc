"""`phi3scaffold job submit`: one job in the cloud for the project as it is, followed to its end."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from phi3scaffold.project.errors import INTERRUPTED

if TYPE_CHECKING:
    from phi3scaffold.project.settings import Project


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dry-run", action="store_true", help="print the exact request and send nothing"
    )
    parser.add_argument(
        "--again", action="store_true", help="a new job, even where one runs or has completed"
    )
    parser.add_argument("--detach", action="store_true", help="submit, and do not follow")


def run(args: argparse.Namespace) -> int:
    from phi3scaffold.project.settings import find_project
    from phi3scaffold.targets.azureml.submission import dry_run
    from phi3scaffold.targets.base import check_remote

    project = find_project(args.project)
    check_remote(project, args.verb)
    if args.dry_run:
        print(json.dumps(dry_run(project), indent=1))
        return 0
    return submit_and_follow(project, again=args.again, detach=args.detach)


def submit_and_follow(project: Project, *, again: bool = False, detach: bool = False) -> int:
    """What `run` does in a project whose target is in the cloud; Ctrl-C leaves the job alone."""
    from phi3scaffold.cli.ui.run_progress import show_progress
    from phi3scaffold.targets.azureml.submission import complete, submit

    submitted = False
    try:
        with show_progress(project, summary=not detach) as emit:
            record = submit(project, emit, again=again)
            submitted = True
            if not detach:
                complete(project, record, emit)
    except KeyboardInterrupt:
        if not submitted:
            raise
        print(f"detached; the job {record.name} goes on\n{COME_BACK}", file=sys.stderr)
        return INTERRUPTED
    if detach:
        print(COME_BACK)
    return 0


COME_BACK = """\
  phi3scaffold job submit   (make finetune) follows it again, and brings back what it makes
  phi3scaffold job status   how it is
  phi3scaffold job logs -f  what it says
  phi3scaffold job cancel   stop it"""
