"""`phi3scaffold job cancel`: stop the project's job."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    del parser


def run(args: argparse.Namespace) -> int:
    from phi3scaffold.project.settings import find_project
    from phi3scaffold.targets.registry import remote_target

    project = find_project(args.project)
    name = remote_target(project, args.verb).cancel(project)
    print(f"cancelling {name}; phi3scaffold job status shows when it has stopped")
    return 0
