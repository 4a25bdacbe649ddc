"""`phi3scaffold job logs`: what the project's job says, as a local run would show it."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-f", "--follow", action="store_true", help="to the job's end")
    parser.add_argument("--raw", action="store_true", help="the lines as the job wrote them")


def run(args: argparse.Namespace) -> int:
    from phi3scaffold.cli.ui.run_progress import show_progress
    from phi3scaffold.project.settings import find_project
    from phi3scaffold.targets.azureml.job_log import Log, Outcome, follow, take
    from phi3scaffold.targets.azureml.submission import connect, current
    from phi3scaffold.targets.base import check_remote

    project = find_project(args.project)
    check_remote(project, args.verb)
    record = current(project)
    workspace = connect(project, record)
    if args.raw:
        for line in Log(workspace, record).lines(ended=True):
            print(line)
        return 0
    with show_progress(project, summary=args.follow) as emit:
        if args.follow:
            failure = follow(workspace, record, emit).failure(record)
            if failure is not None:
                raise failure
            return 0
        outcome = Outcome()
        for line in Log(workspace, record).lines(ended=True):
            take(line, outcome, emit)
    for line in outcome.tail:
        print(line)
    if outcome.error is not None:
        print(f"error: {outcome.error}")
    return 0
