"""Predict an untried point from its settings, so that the likeliest and cheapest come first.

The logarithm of each measure is taken for a sum of effects, one a setting. About how large they are
is known from tests/benchmarks/quantization.md; the points that were measured correct them (Bayesian
linear regression). The size follows from the model's shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from phi3scaffold.evaluation.limits import LIMITS, format_value
from phi3scaffold.evaluation.search_record import PointRecord
from phi3scaffold.models.shape import Shape
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError
from phi3scaffold.project.formatting import decimal_size
from phi3scaffold.project.layout import PROJECT_FILE
from phi3scaffold.project.olive_config import OliveConfig
from phi3scaffold.project.search_goals import FASTEST, SMALLEST
from phi3scaffold.search.points import END_BLOCK, Point, all_points, own_point
from phi3scaffold.search.selection import NO_DIVERGENCE

NORMAL = NormalDist()
SCALE_BYTES = 4.5  # of a block: a scale in float32 and a zero point in 4 bits
FLOAT_BYTES = 4
HALF_BYTES = 2
SIZE_SPREAD = 0.01  # of the logarithm of a predicted size
LEAST = 1e-12  # a probability below it is taken for it
FEATURES = ("kquant", "gptq", "block", "head", "embeddings", "mixed", "down", "level")
# The standard deviation of what is not known of each: little of activations in 8 or 32 bits.
SPREADS = (0.3, 0.3, 0.15, 0.2, 0.2, 0.3, 0.3, 0.05)


@dataclass(frozen=True)
class Measure:
    """How a measure follows from the settings.

    Attributes:
        scaled: its value, as a sum of effects.
        effects: of each of `FEATURES`, before anything was measured.
        spread: how far these may be from the truth, as a share of `SPREADS`.
        noise: of one measurement on few rows.
    """

    scaled: Callable[[float], float]
    effects: tuple[float, ...] = (0.0,) * len(FEATURES)
    spread: float = 0.3
    noise: float = 0.1


def _log(value: float) -> float:
    return math.log(max(value, 1e-6))


KL = "kl"
SPEED = "tokens_per_second"
MEASURES = {
    KL: Measure(_log, (0.0, -0.7, 0.25, 0.15, 0.15, -0.4, -0.25, 0.0), 1.0, 0.25),
    "agreement": Measure(
        lambda value: math.log(max(1 - value, 1e-3)),
        (0.0, -0.35, 0.1, 0.1, 0.1, -0.2, -0.1, 0.0),
        *(1.0, 0.5),
    ),
    "perplexity_ratio": Measure(_log),
    SPEED: Measure(_log, (0.0, 0.0, 0.02, 0.05, 0.0, -0.08, -0.05, -0.3), 0.5, 0.15),
    "first_token_ms": Measure(_log, (0.0, 0.0, -0.02, 0.0, 0.0, 0.05, 0.02, 0.5), 0.5, 0.15),
    "memory_mb": Measure(_log),
}


class Prediction:
    """What untried points are expected to be like.

    Args:
        shape: of the model.
        limits: name -> the limit.
        goal: of the search.
        measured: points and their records, of those that were measured.
    """

    def __init__(
        self,
        shape: Shape,
        limits: Mapping[str, float],
        goal: str,
        measured: Sequence[tuple[Point, PointRecord]],
    ) -> None:
        self._shape, self._limits, self._goal = shape, limits, goal
        wanted = {KL, SPEED} | (set(limits) & set(MEASURES))
        self._fits = {name: _Fit(name, measured) for name in wanted}
        # The graph, the tokenizer, the norms and the tables of rotations come to the weights.
        rest = [record.bytes - weight_bytes(shape, point) for point, record in measured]
        self._rest = sum(rest) / len(rest) if rest else 0.0

    def bytes(self, point: Point) -> float:
        """Return about how large the point's model will be."""
        return weight_bytes(self._shape, point) + self._rest

    def misses_size(self, point: Point) -> bool:
        """Tell whether the point's model is surely larger than allowed."""
        allowed = self._limits.get("size_mb", math.inf)
        return self.bytes(point) > 1e6 * allowed * (1 + 3 * SIZE_SPREAD)

    def log_chance(self, point: Point) -> float:
        """Return the logarithm of the probability that the point keeps all limits."""
        return sum(math.log(max(self._chance(name, point), LEAST)) for name in self._limits)

    def gain(self, point: Point, best: Point | None, record: PointRecord) -> float:
        """Return by which share the point is expected to be better than the best so far.

        Args:
            best: None where no settings say what it is.
            record: of the best.
        """
        if self._goal == SMALLEST:
            return max(0.0, math.log(record.bytes / self.bytes(point)))
        name, sign = (SPEED, 1) if self._goal == FASTEST else (KL, -1)
        fit, mean = self._fits[name], MEASURES[name].scaled(record.values[name])
        ahead, spread = fit.difference(point, best) if best else fit.of(point)
        ahead = sign * (ahead if best else ahead - mean)
        gain = ahead * NORMAL.cdf(ahead / spread) + spread * NORMAL.pdf(ahead / spread)
        if name == KL:
            gain = min(gain, max(0.0, mean - MEASURES[KL].scaled(NO_DIVERGENCE)))
        return gain

    def _chance(self, name: str, point: Point) -> float:
        allowed = self._limits[name]
        if name == "size_mb":
            mean, spread, most = _log(self.bytes(point) / 1e6), SIZE_SPREAD, _log(allowed)
        elif name in self._fits:
            mean, spread = self._fits[name].of(point)
            most = MEASURES[name].scaled(allowed)
        else:
            return 1.0
        least = name in MEASURES and name != "agreement" and not LIMITS[name].is_maximum
        return NORMAL.cdf((mean - most if least else most - mean) / spread)


class _Fit:
    """The effects of one measure, as the points so far show them."""

    def __init__(self, name: str, measured: Sequence[tuple[Point, PointRecord]]) -> None:
        import numpy as np

        measure = MEASURES[name]
        pairs = [(point, one.values[name]) for point, one in measured if name in one.values]
        rows = np.array([_features(point) for point, _ in pairs]).reshape(-1, 1 + len(FEATURES))
        values = np.array([measure.scaled(value) for _, value in pairs])
        before = np.array([0.0, *measure.effects])
        # The first, what the setting (rtn 32, 8/8) has, is unknown until something is measured.
        precision = np.diag([1e-4, *((measure.spread * one) ** -2 for one in SPREADS)])
        weight = measure.noise**-2
        self._covariance: Any = np.linalg.inv(precision + weight * rows.T @ rows)
        self._mean: Any = self._covariance @ (precision @ before + weight * rows.T @ values)

    def of(self, point: Point) -> tuple[float, float]:
        """Return the mean and the standard deviation of a point's scaled value."""
        return self._weighted(_features(point))

    def difference(self, point: Point, other: Point) -> tuple[float, float]:
        """Return the same of how much larger a point's is than another's."""
        pairs = zip(_features(point), _features(other), strict=True)
        return self._weighted([one - its for one, its in pairs])

    def _weighted(self, features: Sequence[float]) -> tuple[float, float]:
        import numpy as np

        row = np.array(features)
        variance = float(row @ self._covariance @ row)
        return float(row @ self._mean), max(variance, 1e-12) ** 0.5


def _features(point: Point) -> tuple[float, ...]:
    return (
        1.0,
        float(point.quantizer == "kquant"),
        float(point.quantizer == "gptq"),
        math.log2(point.block / 32),
        float(point.head == 4),
        float(point.embeddings == 4),
        float(point.mixed == "k_quant_mixed"),
        float(point.mixed == "k_quant_down"),
        float(point.level == 1),
    )


def check_size(config: OliveConfig, shape: Shape, allowed: float) -> None:
    """Refuse a `size_mb` that no point can keep: the weights alone are larger.

    Args:
        shape: of the base model.
        allowed: in megabytes.

    Raises:
        ScaffoldError: with the smallest size.
    """
    points, _ = all_points(config, shape)
    if not points or own_point(config, points) is None:
        return  # nobody knows how small the project's own passes make it
    smallest = min(points, key=lambda point: weight_bytes(shape, point))
    least = weight_bytes(shape, smallest)
    if least * (1 - SIZE_SPREAD) > 1e6 * allowed:
        raise ScaffoldError(
            f"No model keeps size_mb at most {format_value(allowed, LIMITS['size_mb'].unit)}: the "
            f"weights of the smallest, {smallest.name}, take about {decimal_size(round(least))}.",
            where=f"{PROJECT_FILE}: gate.size_mb",
            fix="a limit above that, or a smaller base model: phi3scaffold models",
            exit_code=FAILED_RUN,
        )


def weight_bytes(shape: Shape, point: Point) -> float:
    """Return the bytes of a point's weights, with their scales and zero points."""
    sizes = {name: inputs * outputs for name, (inputs, outputs) in shape.modules.items()}
    finer = {"": (), "k_quant_down": ("down_proj",)}.get(point.mixed, ("down_proj", "qkv_proj"))
    weights = shape.linear_weights
    in_8_bits = _finer_layers(shape.layers) * sum(sizes[name] for name in finer)
    layers = weights / 2 + in_8_bits / 2 + weights / point.block * SCALE_BYTES
    ends = shape.vocab * shape.hidden
    parts = [_end_bytes(ends, point.head)]
    if not shape.tied or point.embeddings != point.head:
        parts.append(_end_bytes(ends, point.embeddings))
    return layers + sum(parts)


def _end_bytes(weights: int, bits: int) -> float:
    if not bits:
        return float(weights * HALF_BYTES)
    return weights * bits / 8 + weights / END_BLOCK[bits] * (FLOAT_BYTES + bits / 8)


def _finer_layers(layers: int) -> int:
    """Return in how many layers Olive's k_quant algorithms take 8 bits."""
    ends = (layers / 8, 7 * layers / 8)
    return sum(
        one < ends[0] or one >= ends[1] or (one - layers // 8) % 3 == 2 for one in range(layers)
    )
