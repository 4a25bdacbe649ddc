"""project.yaml's `gate`: the limits that a model has to keep before it is released.

What a limit means is said here; how it is computed, in phi3scaffold.evaluation.gate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from phi3scaffold.project.errors import ScaffoldError


@dataclass(frozen=True)
class Limit:
    """One line of the gate.

    Attributes:
        default: its value where project.yaml says none; None: it is not looked at.
        most: whether the value is the most or the least that is allowed.
        unit: points and share (of rows or tokens, as a number from 0 to 1), ratio, or a unit.
        what: one line for people.
    """

    default: float | None
    most: bool
    unit: str
    what: str


LIMITS = {
    "over_base": Limit(
        1.0, True, "ratio", "perplexity of the adapter over the base's: training must have helped"
    ),
    "over_majority": Limit(
        0.05, False, "points", "accuracy over always answering the commonest label"
    ),
    "unfinished": Limit(0.02, True, "share", "answers that do not come to their end"),
    "accuracy_lost": Limit(
        0.02, True, "points", "accuracy (of free answers: ROUGE-L) lost since the adapter"
    ),
    "perplexity_ratio": Limit(
        1.25, True, "ratio", "perplexity of the right answers over the adapter's"
    ),
    "agreement": Limit(
        0.9, False, "share", "tokens of the adapter's answers that the form chooses, too"
    ),
    "tokens_per_second": Limit(None, False, "tokens/s", "speed of the ONNX form, one answer"),
    "size_mb": Limit(None, True, "MB", "size of the ONNX form on disk"),
}


def read_limits(given: Any, where: str) -> dict[str, float | None]:
    """The mapping `given` of limits to numbers; None switches a limit off.

    Raises:
        ScaffoldError: an unknown limit, or a value that is no number, or one that it cannot have.
    """
    if not isinstance(given, Mapping):
        raise ScaffoldError("The gate must be a mapping of limits to numbers.", where=where)
    found: dict[str, float | None] = {}
    for key, value in given.items():
        if key not in LIMITS:
            raise ScaffoldError(
                f"The gate has no limit {key!r}.",
                where=f"{where}.{key}",
                fix=f"one of: {', '.join(LIMITS)}",
            )
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise ScaffoldError(
                f"It must be a number, or null to switch the limit off; not {value!r}.",
                where=f"{where}.{key}",
            )
        if value is not None and not _can_be(value, LIMITS[key].unit):
            parts = LIMITS[key].unit in PARTS
            raise ScaffoldError(
                f"{value!r} can be no limit of {key}: {LIMITS[key].what}.",
                where=f"{where}.{key}",
                fix="a part of one: 0.02 are 2 %" if parts else "a number above 0",
            )
        found[key] = value
    return found


PARTS = {"points": -1, "share": 0}  # unit -> its least value; its greatest is 1


def _can_be(value: float, unit: str) -> bool:
    return PARTS[unit] <= value <= 1 if unit in PARTS else 0 < value < math.inf


def show(value: float, unit: str) -> str:
    """A limit's value in its unit, such as ``2.0 points`` for 0.02."""
    if unit == "points":
        return f"{round(100 * value, 1) + 0.0:.1f} points"  # no minus before a zero
    if unit == "share":
        return f"{value:.1%}"
    if unit == "ratio":
        if 0 < value < 0.0005:
            return "<0.001"
        return f"{value:.3f}" if value < 1000 else f"{value:.3g}"
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"
