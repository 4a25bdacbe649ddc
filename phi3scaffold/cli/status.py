"""`phi3scaffold job status`: how the project's job is."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    del parser


def run(args: argparse.Namespace) -> int:
    from phi3scaffold.project.settings import find_project
    from phi3scaffold.targets.azureml.job_log import studio
    from phi3scaffold.targets.azureml.submission import connect, current
    from phi3scaffold.targets.base import check_remote

    project = find_project(args.project)
    check_remote(project, args.verb)
    record = current(project)
    print(f"{record.name}: {connect(project, record).state(record.name) or 'not there'}")
    print(studio(record))
    return 0
