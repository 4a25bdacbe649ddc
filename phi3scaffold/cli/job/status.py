"""`phi3scaffold job status`: show the state of the project's job."""

from __future__ import annotations

import argparse
import json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    del parser


def run(args: argparse.Namespace) -> int:
    from phi3scaffold.project.settings import find_project
    from phi3scaffold.targets.registry import remote_target

    project = find_project(args.project)
    status = remote_target(project, args.verb).status(project)
    if args.json:
        print(json.dumps(status._asdict()))
        return 0
    print(f"{status.name}: {status.state or 'not there'}")
    print(status.page)
    return 0
