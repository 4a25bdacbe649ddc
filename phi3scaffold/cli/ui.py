"""`phi3scaffold ui`: the tracked runs in MLflow's pages, on this machine alone."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "example: phi3scaffold ui --port 5001"
    parser.add_argument(
        "--project", metavar="DIR", help="the project (default: the current folder)"
    )
    parser.add_argument("--port", type=int, default=5000, help="default: %(default)s")


def run(args: argparse.Namespace) -> int:
    """Install the pages where they are not yet, and show them until Ctrl-C."""
    from pathlib import Path

    from phi3scaffold.project import find_project
    from phi3scaffold.runtime.tracking import ui

    project = find_project(Path(args.project) if args.project else None)
    ui.check_store(project)
    if not ui.program(project).is_file():
        print(
            f"Installing MLflow's pages into {ui.VENV}; this takes some minutes, once", flush=True
        )
        ui.install(project)
    print(f"http://{ui.HOST}:{args.port} (Ctrl-C ends it)", flush=True)
    return ui.serve(project, args.port)
