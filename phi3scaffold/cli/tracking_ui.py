"""`phi3scaffold ui`: show the tracked runs in the MLflow web UI, for this machine alone."""

from __future__ import annotations

import argparse
import sys

from phi3scaffold.cli.option_types import port

EPILOG = """examples:
  phi3scaffold ui
  phi3scaffold ui --open --port 5001
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EPILOG
    parser.add_argument(
        "--port",
        type=port,
        metavar="N",
        help="the port (default: 5000, or a free one if it is taken; 0: a free one)",
    )
    parser.add_argument("--open", action="store_true", help="open the page in the web browser")


def run(args: argparse.Namespace) -> int:
    from phi3scaffold.cli.report import open_page
    from phi3scaffold.project.settings import find_project
    from phi3scaffold.reporting.tracking import track_waiting_runs, ui

    project = find_project(args.project)
    if problem := track_waiting_runs(project):
        print(f"warning: a run that was killed is not tracked: {problem}", file=sys.stderr)
    ui.check_store(project)
    number = ui.free_port(args.port)
    if not ui.is_installed(project):
        print(
            f"installing the MLflow web UI into {ui.VENV}, once; this takes some minutes",
            flush=True,
        )
        ui.install(project)

    def ready(address: str) -> None:
        print(f"{address} (Ctrl-C stops it)", flush=True)
        if args.open:
            open_page(address)

    ui.serve(project, number, ready)
    return 0
