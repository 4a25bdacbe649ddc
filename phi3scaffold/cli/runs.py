"""`phi3scaffold runs`: the tracked runs of the project side by side."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phi3scaffold.project.settings import Project
    from phi3scaffold.search.tracked_store import StoredRun

FORMAT = 1  # of the JSON; a key that goes or changes its meaning makes it 2
WIDTH = 80  # columns without a terminal
EPILOG = """examples:
  phi3scaffold runs
  phi3scaffold runs diff 1 last
  phi3scaffold runs --json

Accuracy, perplexity, size and speed are those of the last form of the model that the
run measured, which is the ONNX form of a whole run; the loss is that of the
validation rows. With MLFLOW_TRACKING_URI the runs are those of that server, of the
project's experiment. The time is that of the whole run:
one that found its training up to date is shorter.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    from phi3scaffold.project.settings import find_project
    from phi3scaffold.search.run_table import table

    project = find_project(args.project)
    found = runs_of(project)
    if args.json:
        print(json.dumps({"format": FORMAT, "runs": [one.to_json() for one in found]}, indent=2))
        return 0
    print("\n".join(table(found, terminal_width())))
    if len(found) > 1:
        print("phi3scaffold runs diff A B: all that differs between two runs")
    if not project.tracking:
        print("tracking is off, so new runs do not appear: phi3scaffold set tracking=true")
    return 0


def terminal_width() -> int:
    """Return the columns of the terminal; `WIDTH` where there is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDTH


def runs_of(project: Project) -> list[StoredRun]:
    """Return the tracked runs, those that were killed among them.

    Raises:
        ScaffoldError: they cannot be read, or there are none.
    """
    from phi3scaffold.project.errors import ScaffoldError
    from phi3scaffold.reporting.tracking import track_waiting_runs
    from phi3scaffold.search.tracked_store import stored_runs

    if problem := track_waiting_runs(project):
        print(f"warning: a run that was killed is not tracked: {problem}", file=sys.stderr)
    found = stored_runs(project)
    if not found:
        raise ScaffoldError("No run of this project is tracked.", fix="phi3scaffold run")
    return found
