"""`phi3scaffold ui`: the tracked runs in MLflow's pages, on this machine alone."""

from __future__ import annotations

import argparse

EPILOG = """examples:
  phi3scaffold ui
  phi3scaffold ui --open --port 5001
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EPILOG
    parser.add_argument("--port", type=int, help="default: 5000, or where it is taken a free one")
    parser.add_argument("--open", action="store_true", help="open it in the web browser")


def run(args: argparse.Namespace) -> int:
    """Install the pages where they are not yet, and show them until Ctrl-C."""

    from phi3scaffold.cli.report import open_page
    from phi3scaffold.project.settings import find_project
    from phi3scaffold.reporting.tracking import ui

    project = find_project(args.project)
    ui.check_store(project)
    port = ui.free_port(args.port)
    if not ui.is_installed(project):
        print(
            f"Installing MLflow's pages into {ui.VENV}; this takes some minutes, once", flush=True
        )
        ui.install(project)

    def ready(address: str) -> None:
        print(f"{address} (Ctrl-C ends it)", flush=True)
        if args.open:
            open_page(address)

    ui.serve(project, port, ready)
    return 0
