"""`phi3scaffold optimize`: find the quantization that serves best, and write it into the config."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from phi3scaffold.cli import stage
from phi3scaffold.cli.option_types import count, number
from phi3scaffold.project.formatting import decimal_size, from_here
from phi3scaffold.project.search_goals import GOALS, MINUTES, SearchSettings
from phi3scaffold.project.setting_names import POSITIVE

if TYPE_CHECKING:
    from phi3scaffold.evaluation.search_record import PointRecord, SearchRecord
    from phi3scaffold.project.settings import Project

MOST_SHOWN = 12  # points in the terminal; the report has all


def add_arguments(parser: argparse.ArgumentParser) -> None:
    goals = "; ".join(f"{name}: {text}" for name, text in GOALS.items())
    parser.add_argument(
        "--goal",
        choices=tuple(GOALS),
        default=next(iter(GOALS)),
        metavar="GOAL",
        help=f"which model within the limits of project.yaml is the best: {goals} "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--budget",
        type=number(POSITIVE),
        default=MINUTES,
        metavar="MINUTES",
        help="how long the search may take (default: %(default)g); one that was killed goes on",
    )
    parser.add_argument(
        "--points",
        type=count,
        metavar="N",
        help="how many points may be tried (default: as many as there is time for)",
    )
    parser.add_argument(
        "--local", action="store_true", help="use this machine's CPU, whatever the target"
    )


def run(args: argparse.Namespace) -> int:
    """Search, write the winner into the config, then measure it on the held-out rows."""
    from phi3scaffold.search.optimize import search_error

    record = _search(args, SearchSettings(args.goal, args.budget), args.points)
    error = search_error(record)
    if error:
        raise error
    stage.bring_up_to_date(argparse.Namespace(**{**vars(args), "verb": "evaluate"}))
    return 0


def search_before_run(args: argparse.Namespace, settings: SearchSettings) -> None:
    """Search where the same search has not come to its end; the gate judges what ships."""
    _search(args, settings, again=False)


def _search(
    args: argparse.Namespace,
    settings: SearchSettings,
    most: int | None = None,
    *,
    again: bool = True,
) -> SearchRecord:
    """Search, and print what was found."""
    from phi3scaffold.cli.ui.run_progress import show_progress
    from phi3scaffold.pipeline import environment
    from phi3scaffold.search.optimize import optimize
    from phi3scaffold.targets.registry import check_target

    environment.prepare()
    project = stage.find(args)
    check_target(project, args.verb)
    with show_progress(project, summary=False) as emit:
        record = optimize(project, settings, emit, most=most, again=again)
    print("\n".join(_lines(project, record)))
    return record


def _lines(project: Project, record: SearchRecord) -> list[str]:
    """Return what a search found as lines: the best points, what was left out, what was written."""
    from phi3scaffold.cli.ui.terminal import columns
    from phi3scaffold.search.selection import ranked

    points = ranked(record.points, record.limits, record.goal)
    winner = record.point(record.winner)
    heading = ("point", "size", "KL", "tokens/s", "rows")
    lines = columns([heading, *(_row(one, winner) for one in points[:MOST_SHOWN])])
    if len(points) > MOST_SHOWN:
        lines.append(f"and {len(points) - MOST_SHOWN} more in the report")
    if winner is not None:
        written = f"written into {from_here(project.olive_config)}"
        if winner.key == record.own:
            written = "the project has it already"
        lines.append(f"{record.goal}: {winner.name}; {written}")
    return lines


def _row(point: PointRecord, winner: PointRecord | None) -> tuple[str, ...]:
    mark = "* " if point is winner else "  "
    kl, rate = (point.values.get(name, float("nan")) for name in ("kl", "tokens_per_second"))
    return (
        f"{mark}{point.name}",
        decimal_size(point.bytes),
        f"{kl:.4g}",
        f"{rate:.0f}",
        str(point.rows),
    )
