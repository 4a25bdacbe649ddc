"""`phi3scaffold job fetch`: bring back what the project's job made."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "forms",
        nargs="*",
        metavar="FORM",
        help="adapter, onnx, merged (default: azure.fetch of project.yaml)",
    )


def run(args: argparse.Namespace) -> int:
    from phi3scaffold.cli.ui.run_progress import show_progress
    from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError
    from phi3scaffold.project.settings import find_project
    from phi3scaffold.targets.azureml.fetch import fetch
    from phi3scaffold.targets.azureml.submission import connect, current
    from phi3scaffold.targets.azureml.workspace_settings import forms, read_settings
    from phi3scaffold.targets.base import check_remote

    project = find_project(args.project)
    check_remote(project, args.verb)
    wanted = forms(args.forms, "FORM") if args.forms else read_settings(project).fetch
    record = current(project)
    with show_progress(project, summary=False) as emit:
        missing = fetch(connect(project, record), record, project, wanted, emit)
    if missing:
        raise ScaffoldError(
            f"The job has not made this (yet): {', '.join(missing)}.",
            where=record.name,
            fix="phi3scaffold job status says how it is",
            exit_code=FAILED_RUN,
        )
    return 0
