"""`phi3scaffold job fetch`: fetch the results of the project's job."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "forms",
        nargs="*",
        metavar="FORM",
        help="adapter, onnx or merged (default: azure.fetch in project.yaml)",
    )


def run(args: argparse.Namespace) -> int:
    from phi3scaffold.cli.ui.run_progress import show_progress
    from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError
    from phi3scaffold.project.settings import find_project
    from phi3scaffold.targets.registry import remote_target

    project = find_project(args.project)
    target = remote_target(project, args.verb)
    forms = target.forms(project, args.forms)
    with show_progress(project, summary=False) as emit:
        missing = target.fetch(project, forms, emit)
    if missing:
        raise ScaffoldError(
            f"The job has not made this (yet): {', '.join(missing)}.",
            fix="phi3scaffold job status shows its state",
            exit_code=FAILED_RUN,
        )
    return 0
