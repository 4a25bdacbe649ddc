"""The report's section on a search: its front as a picture, every point, what was not tried."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from phi3scaffold.evaluation.limits import LIMITS, format_value
from phi3scaffold.evaluation.search_record import PointRecord, SearchRecord
from phi3scaffold.project.formatting import count, decimal_size, duration, visible
from phi3scaffold.reporting.figures import front

LEAST_KL = 1e-7  # what is drawn of less
COLUMNS = ("kl", "perplexity_ratio", "agreement", "accuracy_lost", "tokens_per_second")
HEADINGS = ("point", "size", "KL", "perplexity", "agree.", "lost", "tokens/s", "rows", "result")
THIRDS = ("the fastest third", "the middle third", "the slowest third")


def section(search: SearchRecord) -> dict[str, Any]:
    """Return what the page shows of a search."""
    points = sorted(search.points, key=lambda one: (-one.rows, one.values.get("kl", math.inf)))
    measured = [one for one in points if one.rows and not one.error]
    return {
        "text": _text(search),
        "picture": _picture(search, measured),
        "caption": "Size against divergence from the adapter; the line joins the points that "
        "no other beats in both.",
        "keys": THIRDS,
        "headings": HEADINGS,
        "lines": [_line(search, one) for one in points],
        "not_tried": [(visible(what), visible(why)) for what, why in search.not_tried.items()],
    }


def frontier(points: Sequence[PointRecord]) -> list[PointRecord]:
    """Return the points that no other beats in size and in divergence, the smallest first."""
    best: list[PointRecord] = []
    for point in sorted(points, key=lambda one: (one.bytes, _kl(one))):
        if not best or _kl(point) < _kl(best[-1]):
            best.append(point)
    return best


def _text(search: SearchRecord) -> str:
    limits = ", ".join(
        f"{name} {'at most' if LIMITS[name].is_maximum else 'at least'} "
        f"{format_value(value, LIMITS[name].unit)}"
        for name, value in search.limits.items()
        if name in LIMITS
    )
    winner = search.point(search.winner)
    result = (
        f"Chosen: {winner.name}." if winner else f"None keeps them: {'; '.join(search.missed)}."
    )
    return (
        f"Goal: {search.goal}. Limits on {count(search.rows, 'validation row')}: {limits}. "
        f"{result} The search took {duration(search.seconds)} with "
        f"{count(search.threads, 'thread')}, and did not look at the held-out rows."
    )


def _picture(search: SearchRecord, points: Sequence[PointRecord]) -> Any:
    if len(points) < 2:
        return None
    by_speed = sorted(points, key=lambda one: -one.values.get("tokens_per_second", 0.0))
    thirds: dict[str, list[tuple[float, float]]] = {name: [] for name in THIRDS}
    for place, one in enumerate(by_speed):
        thirds[THIRDS[3 * place // len(points)]].append(_place(one))
    winner = search.point(search.winner)
    described = "; ".join(
        f"{one.name}: {_place(one)[0]:.1f} MB, KL {_kl(one):.3g}" for one in points[:8]
    )
    return front(
        thirds,
        [_place(one) for one in frontier(points)],
        (winner.name, *_place(winner)) if winner else None,
        ("MB", "KL, nats a token"),
        "Front of the search",
        described,
    )


def _place(point: PointRecord) -> tuple[float, float]:
    return point.bytes / 1e6, _kl(point)


def _kl(point: PointRecord) -> float:
    return max(LEAST_KL, point.values.get("kl", math.inf))


def _line(search: SearchRecord, point: PointRecord) -> list[str]:
    result = point.error or point.ended
    if point.key == search.winner:
        result = "chosen"
    elif point.key == search.own:
        result = f"as it was; {result}" if result else "as it was"
    texts = {
        "kl": "{:.3g}",
        "perplexity_ratio": "{:.3f}",
        "agreement": "{:.1%}",
        "accuracy_lost": "{:+.1%}",
        "tokens_per_second": "{:.0f}",
    }
    values = [
        texts[name].format(point.values[name]) if name in point.values else "" for name in COLUMNS
    ]
    size = decimal_size(point.bytes) if point.bytes else ""
    return [visible(point.name), size, *values, count(point.rows), visible(result)]
