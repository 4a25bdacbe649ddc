"""Which point is chosen: the limits first, then the goal, and the smaller one of equals."""

from __future__ import annotations

import math

import pytest

from phi3scaffold.evaluation.limits import LIMITS
from phi3scaffold.evaluation.search_record import PointRecord
from phi3scaffold.search.measuring import half_width
from phi3scaffold.search.selection import SEARCHED, choose, excesses, missed_lines, ranked

LIMITED = {"kl": 0.1, "agreement": 0.9}


def point(
    name: str, megabytes: float, kl: float, rate: float = 100.0, noise: float = 0.0, **more: float
) -> PointRecord:
    values = {"kl": kl, "size_mb": megabytes, "tokens_per_second": rate, "agreement": 0.95}
    return PointRecord(
        key=name,
        name=name,
        passes={},
        bytes=round(megabytes * 1e6),
        rows=100,
        values=values | more,
        noise={"tokens_per_second": noise},
    )


def test_what_is_searched_are_limits_of_the_gate() -> None:
    assert set(SEARCHED) <= set(LIMITS)


@pytest.mark.parametrize(
    ("goal", "chosen"), [("closest", "close"), ("smallest", "small"), ("fastest", "fast")]
)
def test_the_goal_decides_within_the_limits(goal: str, chosen: str) -> None:
    points = [
        point("close", 100, 0.01),
        point("small", 50, 0.09),
        point("fast", 90, 0.05, 200.0),
        point("tiny but far", 20, 0.5, 900.0),
        point("close but disagrees", 20, 0.001, 900.0, agreement=0.8),
    ]
    best = choose(points, LIMITED, goal)
    assert best is not None and best.name == chosen


def test_of_speeds_within_their_noise_the_smaller_model_wins() -> None:
    large = point("large", 100, 0.01, 104.0, noise=3.0)
    small = point("small", 80, 0.05, 100.0, noise=2.0)
    slow = point("slow", 50, 0.05, 90.0, noise=2.0)
    assert choose([large, small, slow], LIMITED, "fastest") is small
    small.noise["tokens_per_second"] = 0.5
    assert choose([large, small, slow], LIMITED, "fastest") is large


def test_of_equally_close_models_the_smaller_wins() -> None:
    points = [point("a", 100, 0.0500), point("b", 60, 0.0505), point("c", 40, 0.06)]
    best = choose(points, LIMITED, "closest")
    assert best is not None and best.name == "b"


def test_of_equally_close_models_of_one_size_the_faster_wins() -> None:
    points = [point("slow", 60, 0.0500, 40.0), point("fast", 60, 0.0505, 100.0)]
    best = choose(points, LIMITED, "closest")
    assert best is not None and best.name == "fast"


def test_nothing_is_chosen_outside_the_limits_and_the_nearest_is_named() -> None:
    points = [point("far", 100, 0.3), point("near", 90, 0.12)]
    assert choose(points, LIMITED, "closest") is None
    assert [one.name for one in ranked(points, LIMITED, "smallest")] == ["near", "far"]
    (line,) = missed_lines(points, LIMITED)
    assert line == "kl at most 0.1 nats: the nearest, near, has 0.12 nats, 0.02 nats too much"
    (line,) = missed_lines(points, {"tokens_per_second": 150.0})
    assert line.endswith("has 100 tokens/s, 50 tokens/s too little")


def test_points_that_surely_keep_the_limits_come_first() -> None:
    """The gate asks that whole intervals lie within the limits, on rows of its own."""
    edge, safe = point("edge", 50, 0.09), point("safe", 60, 0.05)
    edge.intervals, safe.intervals = {"kl": [0.07, 0.11]}, {"kl": [0.03, 0.07]}
    assert choose([edge, safe], LIMITED, "smallest") is safe
    assert choose([edge], LIMITED, "smallest") is edge
    unclear = point("unclear", 40, 0.05, accuracy_lost=0.03)
    unclear.intervals = {"accuracy_lost": [-0.01, 0.07]}  # a few rows cannot tell
    safe.values["accuracy_lost"] = 0.0
    assert choose([unclear, safe], LIMITED | {"accuracy_lost": 0.02}, "smallest") is unclear
    unclear.intervals["accuracy_lost"] = [0.025, 0.07]
    assert choose([unclear, safe], LIMITED | {"accuracy_lost": 0.02}, "smallest") is safe


def test_a_point_that_failed_or_was_not_measured_is_never_chosen() -> None:
    failed, unknown = point("failed", 1, 0.0), point("unknown", 1, 0.0)
    failed.error = "Olive refuses the passes."
    del unknown.values["kl"]
    assert choose([failed, unknown], LIMITED, "closest") is None
    assert excesses(unknown, LIMITED) == {"kl": math.inf}


def test_the_interval_of_a_median_shrinks_with_its_samples() -> None:
    few, many = [90.0, 100, 110, 95, 105], [90.0, 100, 110, 95, 105] * 9
    assert 0 < half_width(many) < half_width(few) < 20
    assert half_width([1.0]) == 0.0
