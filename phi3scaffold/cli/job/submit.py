"""`phi3scaffold job submit`: submit the project as one job, and follow it to its end."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from phi3scaffold.project.errors import INTERRUPTED
from phi3scaffold.project.settings import Project, find_project

if TYPE_CHECKING:
    from phi3scaffold.targets.base import RemoteTarget

NEXT = """\
  phi3scaffold job submit   follow it again, and fetch its results (as `make finetune` does)
  phi3scaffold job status   show its state
  phi3scaffold job logs -f  show its output
  phi3scaffold job cancel   stop it"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print the request and send nothing; needs no account, workspace or network",
    )
    parser.add_argument(
        "--again", action="store_true", help="submit a new job even if one runs or has completed"
    )
    parser.add_argument("--detach", action="store_true", help="submit the job and do not follow it")


def run(args: argparse.Namespace) -> int:
    from phi3scaffold.targets.registry import remote_target

    project = find_project(args.project)
    target = remote_target(project, args.verb)
    if args.dry_run:
        planned = target.dry_run(project)
        print(json.dumps(planned, indent=1))
        for name, how in (planned.get("missing") or {}).items():
            print(f"{name} is not known yet: {how}", file=sys.stderr)
        return 0
    return submit_and_follow(target, project, again=args.again, detach=args.detach)


def submit_and_follow(
    target: RemoteTarget, project: Project, *, again: bool = False, detach: bool = False
) -> int:
    """Submit the project and follow the job; Ctrl-C stops following and leaves the job alone."""
    from phi3scaffold.cli.ui.run_progress import show_progress

    name = None
    try:
        with show_progress(project, summary=not detach) as emit:
            name = target.submit(project, emit, again=again)
            if not detach:
                target.complete(project, emit)
    except KeyboardInterrupt:
        if name is None:
            raise
        print(f"detached; the job {name} goes on\n{NEXT}", file=sys.stderr)
        return INTERRUPTED
    if detach:
        print(NEXT)
    return 0
