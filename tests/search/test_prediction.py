"""Which untried point comes next: sizes from the shape, the rest from what was measured."""

from __future__ import annotations

import math
from itertools import product

import pytest

from phi3scaffold.evaluation.search_record import PointRecord
from phi3scaffold.models.catalogue import describe
from phi3scaffold.models.shape import Shape
from phi3scaffold.search.points import MIXED, Point
from phi3scaffold.search.prediction import Prediction, weight_bytes

SHAPE = describe("smollm2-135m").shape
assert SHAPE is not None
SMOLLM2: Shape = SHAPE
POINTS = [
    Point(quantizer, block, bits, bits, mixed, level)
    for quantizer, block, bits, mixed, level in product(
        ("rtn", "kquant", "gptq"), (16, 32, 64), (8, 4), MIXED, (4, 1)
    )
]


def record(point: Point, kl: float) -> PointRecord:
    values = {"kl": kl, "size_mb": weight_bytes(SMOLLM2, point) / 1e6}
    size = round(weight_bytes(SMOLLM2, point))
    return PointRecord(key=point.name, name=point.name, passes={}, bytes=size, values=values)


def truth(point: Point) -> float:
    """A made-up divergence, which is no sum of effects: the parts' own add up."""
    layers = {"rtn": 0.3, "kquant": 0.31, "gptq": 0.14}[point.quantizer]
    layers *= (point.block / 32) ** 0.3 * (0.6 if point.mixed else 1.0)
    return layers + (0.1 if point.head == 4 else 0.0) + (0.01 if point.level == 4 else 0.0)


@pytest.mark.parametrize(
    ("point", "megabytes"), [(Point(block=64), 93.6), (Point(head=4, embeddings=4), 88.7)]
)
def test_a_size_is_known_once_another_point_was_built(point: Point, megabytes: float) -> None:
    """Of SmolLM2-135M, as ModelBuilder writes it: tests/benchmarks/quantization.md."""
    built = record(Point(), 0.3)
    built.bytes = 101_000_000
    found = Prediction(SMOLLM2, {}, "closest", [(Point(), built)])
    assert found.bytes(point) / 1e6 == pytest.approx(megabytes, rel=0.002)


def test_the_closest_of_a_hundred_is_found_within_ten() -> None:
    measured = {Point(): record(Point(), truth(Point()))}
    for _ in range(9):
        found = Prediction(SMOLLM2, {}, "closest", list(measured.items()))
        best = min(measured, key=truth)
        untried = [one for one in POINTS if one not in measured]
        point = max(untried, key=lambda one: found.gain(one, best, measured[best]))
        measured[point] = record(point, truth(point))
    assert min(map(truth, measured)) <= 1.02 * min(map(truth, POINTS))


def test_a_limit_of_size_is_decided_before_anything_is_built() -> None:
    measured = [(Point(), record(Point(), 0.3))]
    found = Prediction(SMOLLM2, {"size_mb": 95.0}, "closest", measured)
    large, small = Point("gptq", 16, 8, 8, "k_quant_mixed"), Point("gptq", 64)
    assert found.misses_size(large) and not found.misses_size(small)
    assert found.log_chance(large) < math.log(1e-6) < math.log(0.9) < found.log_chance(small)


def test_what_was_measured_corrects_what_was_expected() -> None:
    """A quantizer that is worse than usual here makes those like it unlikely, too."""
    limits = {"kl": 0.25}
    before = Prediction(SMOLLM2, limits, "closest", [(Point(), record(Point(), 0.3))])
    seen = [(Point(), record(Point(), 0.3)), (Point("gptq"), record(Point("gptq"), 3.0))]
    after = Prediction(SMOLLM2, limits, "closest", seen)
    other = Point("gptq", 32, 4, 4)
    assert after.log_chance(other) < before.log_chance(other) - 1
    best = seen[0][1]
    assert after.gain(other, Point(), best) < before.gain(other, Point(), best)


def test_of_the_goal_smallest_only_smaller_ones_gain() -> None:
    best = record(Point(), 0.1)
    found = Prediction(SMOLLM2, {}, "smallest", [(Point(), best)])
    assert found.gain(Point(block=16), Point(), best) == 0
    assert found.gain(Point(block=64), Point(), best) == pytest.approx(math.log(98.5 / 91.1), 0.02)
