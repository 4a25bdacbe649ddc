"""`phi3scaffold report`: bring the report page up to date, and open it."""

from __future__ import annotations

import argparse

from phi3scaffold.cli import stage
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.formatting import from_here


def add_arguments(parser: argparse.ArgumentParser) -> None:
    stage.add_arguments(parser)
    parser.epilog = "example: phi3scaffold report --open"
    parser.add_argument("--open", action="store_true", help="open the page in the web browser")


def run(args: argparse.Namespace) -> int:
    """Bring the page up to date, print its place, and open it.

    The page of a job in the cloud is shown as it was brought back.
    """
    from phi3scaffold.pipeline.stage_runner import is_up_to_date
    from phi3scaffold.project.layout import PAGE
    from phi3scaffold.stages.graph import STAGES
    from phi3scaffold.targets.registry import runs_remotely

    project = stage.find(args)
    page = project.report / PAGE
    remote = runs_remotely(project, "run")
    if remote and not page.is_file():
        raise ScaffoldError(
            "There is no report yet: no results of a job were brought back.",
            where=page,
            fix="phi3scaffold job submit",
        )
    failure = None
    try:
        if not remote:
            stage.bring_up_to_date(args, summary=False)
    except ScaffoldError as error:
        if not is_up_to_date(STAGES["report"], project, STAGES):
            raise
        failure = error  # the gate's: the page shows it
    print(from_here(page))
    if args.open:
        open_page(page.as_uri())
    if failure is not None:
        raise failure
    return 0


def open_page(address: str) -> None:
    """Open an address in the web browser, or say that there is none."""
    import webbrowser

    if not webbrowser.open(address):
        print("No web browser was found here. Open the address above in one.")
