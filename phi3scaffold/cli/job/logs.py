"""`phi3scaffold job logs`: show the output of the project's job as that of a local run."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-f", "--follow", action="store_true", help="follow the job to its end")
    parser.add_argument("--raw", action="store_true", help="print the lines as the job wrote them")


def run(args: argparse.Namespace) -> int:
    from phi3scaffold.cli.ui.run_progress import show_progress
    from phi3scaffold.project.settings import find_project
    from phi3scaffold.targets.job_outcome import JobOutcome
    from phi3scaffold.targets.registry import remote_target

    project = find_project(args.project)
    target = remote_target(project, args.verb)
    if args.raw:
        for line in target.log(project):
            print(line)
        return 0
    outcome = JobOutcome()
    with show_progress(project, summary=args.follow) as emit:
        if args.follow:
            target.follow(project, emit)
            return 0
        for line in target.log(project):
            outcome.read(line, emit)
    for line in outcome.tail:
        print(line)
    if outcome.error is not None:
        print(f"error: {outcome.error}")
    return 0
