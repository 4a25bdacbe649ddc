"""`phi3scaffold runs diff A B`: all that differs between two tracked runs."""

from __future__ import annotations

import argparse
import json

from phi3scaffold.cli.runs import FORMAT, runs_of, terminal_width

EPILOG = """examples:
  phi3scaffold runs diff 1 2
  phi3scaffold runs diff 1 last --json

A run is named by its number in `phi3scaffold runs`, by the beginning of its id, or by
last, the newest one.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EPILOG
    parser.add_argument("first", metavar="A", help="a run: its number, its id, or last")
    parser.add_argument("second", metavar="B", help="the run to compare it with")


def run(args: argparse.Namespace) -> int:
    from phi3scaffold.cli.ui.terminal import columns
    from phi3scaffold.project.formatting import cut
    from phi3scaffold.project.settings import find_project
    from phi3scaffold.search.run_table import differences
    from phi3scaffold.search.tracked_store import find_run

    found = runs_of(find_project(args.project))
    one, other = find_run(found, args.first), find_run(found, args.second)
    settings = differences(one.settings, other.settings)
    metrics = differences(one.metrics, other.metrics)
    if args.json:
        runs = [{"number": run.number, "id": run.id, "name": run.name} for run in (one, other)]
        content = {"format": FORMAT, "runs": runs, "settings": settings, "metrics": metrics}
        print(json.dumps(content, indent=2))
        return 0
    head = ("", f"{one.number}: {one.when}", f"{other.number}: {other.when}", "")
    rows = [head]
    rows += [(name, values[0] or "-", values[1] or "-", "") for name, values in settings.items()]
    if settings and metrics:
        rows.append(("", "", "", ""))
    rows += [(name, _number(old), _number(new), _change(old, new))
             for name, (old, new) in metrics.items()]  # fmt: skip
    if len(rows) == 1:
        print("These runs do not differ in any setting or metric.")
    else:
        print("\n".join(cut(line, terminal_width()) for line in columns(rows)))
    return 0


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def _change(old: float | None, new: float | None) -> str:
    """Return by how much a value grew; empty where that cannot be said."""
    if not old or new is None:
        return ""
    return f"{(new - old) / abs(old):+.1%}"
