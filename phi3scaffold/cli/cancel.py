"""`phi3scaffold job cancel`: stop the project's job."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    del parser


def run(args: argparse.Namespace) -> int:
    from phi3scaffold.project.settings import find_project
    from phi3scaffold.targets.azureml.submission import connect, current
    from phi3scaffold.targets.base import check_remote

    project = find_project(args.project)
    check_remote(project, args.verb)
    record = current(project)
    connect(project, record).cancel(record.name)
    print(f"cancelling {record.name}; phi3scaffold job status tells when it has stopped")
    return 0
