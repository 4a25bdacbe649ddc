"""`phi3scaffold job run`: run the pipeline inside the job; the job's own command calls it."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=Path, metavar="PATH", help="the rows, an input")
    parser.add_argument("--model", type=Path, metavar="DIR", help="the base model, an input")
    parser.add_argument(
        "--results", type=Path, metavar="DIR", required=True, help="the folder for the forms"
    )
    parser.add_argument(
        "--checkpoints",
        type=Path,
        metavar="DIR",
        help="the folder for training's checkpoints, which outlives the machine",
    )
    parser.add_argument("--local", action="store_true", help="use the CPU, whatever the target")


def run(args: argparse.Namespace) -> int:
    from dataclasses import replace

    from phi3scaffold.pipeline import environment
    from phi3scaffold.project.settings import find_project
    from phi3scaffold.targets.registry import remote_target

    environment.prepare()
    project = replace(find_project(args.project), local=args.local, checkpoints=args.checkpoints)
    remote_target(project, args.verb).run(project, args.rows, args.model, args.results)
    return 0
