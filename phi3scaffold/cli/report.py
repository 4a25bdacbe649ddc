"""`phi3scaffold report`: the page about what was made; made if it is not up to date."""

from __future__ import annotations

import argparse

from phi3scaffold.cli import stage
from phi3scaffold.project.errors import ScaffoldError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    stage.add_arguments(parser)
    parser.epilog = "example: phi3scaffold report --open"
    parser.add_argument("--open", action="store_true", help="open it in the web browser")


def run(args: argparse.Namespace) -> int:
    """Bring the page up to date, print where it is, and open it.

    What was made in the cloud is shown as it was brought back.
    """
    from phi3scaffold.cli.ui.terminal import from_here
    from phi3scaffold.pipeline.stage_runner import is_up_to_date
    from phi3scaffold.project.layout import PAGE
    from phi3scaffold.stages.graph import STAGES
    from phi3scaffold.targets.registry import runs_remotely

    project = stage.chosen(args)
    page = project.report / PAGE
    remote = runs_remotely(project, "run")
    if remote and not page.is_file():
        raise ScaffoldError(
            "There is no report yet: the job has not been brought back.",
            where=page,
            fix="phi3scaffold job submit",
        )
    broken = None
    try:
        if not remote:
            stage.bring_up_to_date(args, summary=False)
    except ScaffoldError as error:
        if not is_up_to_date(STAGES["report"], project, STAGES):
            raise
        broken = error  # the gate: it is on the page
    print(from_here(page))
    if args.open:
        open_page(page.as_uri())
    if broken is not None:
        raise broken
    return 0


def open_page(address: str) -> None:
    import webbrowser

    if not webbrowser.open(address):
        print("no web browser was found here: open that in one")
