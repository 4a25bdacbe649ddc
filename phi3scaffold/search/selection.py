"""Which of several measured points is the best: within the limits, then by the goal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from phi3scaffold.evaluation.limits import LIMITS, format_value
from phi3scaffold.evaluation.search_record import PointRecord
from phi3scaffold.project.search_goals import CLOSEST, FASTEST, SMALLEST

# What a quantizer can keep or lose; a search leaves the other limits to the gate.
SEARCHED = (
    *("accuracy_lost", "perplexity_ratio", "agreement", "kl"),
    *("size_mb", "tokens_per_second", "first_token_ms", "memory_mb"),
)
TIMED = ("tokens_per_second", "first_token_ms")
ALIKE = 0.03  # share by which two divergences are taken for equal
NO_DIVERGENCE = 1e-4  # nats a token: a hundredth of a percent of perplexity, which nobody can tell


def excesses(
    point: PointRecord, limits: Mapping[str, float], *, surely: bool = False
) -> dict[str, float]:
    """Return the limits that a point misses -> by which share of the limit.

    What rows cannot tell anyway, such as a loss of accuracy, counts as in the gate: by the end of
    its interval that is the better one.

    Args:
        surely: whether the whole interval of anything else has to lie within the limit.
    """
    missed = {}
    for name, allowed in limits.items():
        value = point.values.get(name)
        if name in point.intervals:
            best, worst = sorted(point.intervals[name], reverse=not LIMITS[name].is_maximum)
            value = best if LIMITS[name].may_be_unknown else worst if surely else value
        if value is None:
            missed[name] = math.inf
            continue
        over = value - allowed if LIMITS[name].is_maximum else allowed - value
        if over > 1e-9:
            missed[name] = over / (abs(allowed) or 1.0)
    return missed


def keeps(point: PointRecord, limits: Mapping[str, float]) -> bool:
    """Tell whether a point keeps all limits."""
    return not point.error and not excesses(point, limits)


def ranked(
    points: Iterable[PointRecord], limits: Mapping[str, float], goal: str
) -> list[PointRecord]:
    """Return points that were measured, the best first: those within the limits, then the goal."""

    def key(point: PointRecord) -> tuple[float, ...]:
        worst = max(excesses(point, limits).values(), default=0.0)
        return (worst, *_goal_values(point, goal))

    return sorted((one for one in points if one.rows and not one.error), key=key)


def choose(
    points: Sequence[PointRecord], limits: Mapping[str, float], goal: str
) -> PointRecord | None:
    """Return the best of the points that keep the limits; among equals the smaller one.

    Those that surely keep them come first: the gate asks for that, on other rows.
    """
    good = [one for one in points if one.rows and keeps(one, limits)]
    if not good:
        return None
    good = [one for one in good if not excesses(one, limits, surely=True)] or good
    best = ranked(good, limits, goal)[0]
    ties = [one for one in good if _is_tie(one, best, goal)]
    return min(ties, key=lambda one: _tie_values(one, goal))


def missed_lines(points: Iterable[PointRecord], limits: Mapping[str, float]) -> list[str]:
    """Return, for no winner, what the point that comes nearest misses, a line a limit."""
    near = ranked(points, limits, CLOSEST)
    if not near:
        return []
    best, lines = near[0], []
    for name in excesses(best, limits):
        limit, allowed, value = LIMITS[name], limits[name], best.values.get(name)
        bound = "at most" if limit.is_maximum else "at least"
        wanted = f"{name} {bound} {format_value(allowed, limit.unit)}"
        if value is None:
            lines.append(f"{wanted}: it was not measured")
            continue
        by = format_value(abs(value - allowed), limit.unit)
        lines.append(
            f"{wanted}: the nearest, {best.name}, has {format_value(value, limit.unit)}, "
            f"{by} too {'much' if limit.is_maximum else 'little'}"
        )
    return lines


def _goal_values(point: PointRecord, goal: str) -> tuple[float, ...]:
    """Return what is the less, the better; then what decides between equals."""
    kl = point.values.get("kl", math.inf)
    speed = point.values.get("tokens_per_second", 0.0)
    return {
        CLOSEST: (kl, float(point.bytes)),
        SMALLEST: (float(point.bytes), kl),
        FASTEST: (-speed, float(point.bytes)),
    }[goal]


def _tie_values(point: PointRecord, goal: str) -> tuple[float, ...]:
    """Return what decides between equals: the size; of equal sizes the speed."""
    if goal == SMALLEST:
        return _goal_values(point, CLOSEST)
    return (float(f"{point.bytes:.3g}"), -point.values.get("tokens_per_second", 0.0))


def _is_tie(point: PointRecord, best: PointRecord, goal: str) -> bool:
    """Tell whether a point is as good as the best, as far as the measurement can tell."""
    if goal == FASTEST:
        name = "tokens_per_second"
        noise = point.noise.get(name, 0.0) + best.noise.get(name, 0.0)
        return best.values[name] - point.values[name] <= noise
    own, its = _goal_values(point, goal)[0], _goal_values(best, goal)[0]
    if goal == CLOSEST:
        return own <= max(NO_DIVERGENCE, its * (1 + ALIKE))
    return own <= its * 1.001
