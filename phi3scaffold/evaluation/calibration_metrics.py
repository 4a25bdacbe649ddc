"""Fit the temperature of a form's label probabilities, and measure how good they are.

Fitted on validation rows, measured on held-out rows: Brier score and log loss, and the reliability
by isotonic regression (CORP: T. Dimitriadis, T. Gneiting, A. I. Jordan, PNAS 118 (2021)).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from phi3scaffold.evaluation.estimate import Estimate
from phi3scaffold.evaluation.evaluation_set import EvaluationSet
from phi3scaffold.evaluation.intervals import ratio_of_sums, share
from phi3scaffold.inference.calibration import softmax

if TYPE_CHECKING:
    import numpy as np

    from phi3scaffold.evaluation.measurement import Measurement

COLDEST, HOTTEST = 0.05, 20.0  # temperatures that are looked at
FEWEST_ANSWERED = 10  # validation rows that a threshold must leave to the model
FEWER_ERRORS = 0.5  # of all validation rows' share of errors: what is left to a threshold
POINTS = 60  # of the reliability curve, at most
RESAMPLES, SEED, BAND = 200, 0, (5, 95)  # of the band; its ends in percent
LEAST = 1e-12  # probability that the log loss counts with


@dataclass
class CalibrationMetrics:
    """How good a form's label probabilities are, on held-out rows.

    Attributes:
        temperature: of the form; above 1 its labels were too sure of themselves.
        validation_rows: rows that it was fitted on.
        brier: Brier score over all labels, from 0 to 2; 0 is best.
        brier_before: the same at temperature 1.
        log_loss: cross entropy of the expected label, in nats; 0 is best.
        log_loss_before: the same at temperature 1.
        reliability: points of the reliability curve: the answer's probability, how many of such
            answers are right, and the ends of where 90 % of calibrated forms lie.
        miscalibration: how much of the Brier score of the answers recalibration would take away.
        discrimination: how much the probabilities take away, over one and the same for all rows.
        uncertainty: Brier score of one and the same probability for all rows.
        threshold: the proposed --abstain-below: it leaves half of the errors' share, by the
            validation rows. None where no value did.
        coverage: share of rows that this threshold leaves to the model.
        covered_accuracy: share of these that are answered as expected.
    """

    temperature: float
    validation_rows: int
    brier: Estimate
    brier_before: float
    log_loss: Estimate
    log_loss_before: float
    reliability: list[list[float]] = field(default_factory=list)
    miscalibration: float = 0.0
    discrimination: float = 0.0
    uncertainty: float = 0.0
    threshold: float | None = None
    coverage: Estimate | None = None
    covered_accuracy: Estimate | None = None

    def to_json(self) -> dict[str, Any]:
        """Return JSON-able values, without what does not apply."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> CalibrationMetrics:
        """Read what `to_json` wrote."""
        names = ("brier", "log_loss", "coverage", "covered_accuracy")
        own = {name: Estimate(**values[name]) for name in names if values.get(name)}
        return cls(**{**values, **own})


def fit_temperature(scores: Sequence[Sequence[float]], truth: Sequence[int]) -> float:
    """Return the temperature with the lowest log loss.

    One more row, whose label is any with equal chance, keeps it above zero where all rows are
    right (as J. Platt's targets do for two labels).

    Args:
        scores: of each row the log-likelihoods of the labels.
        truth: of each row the number of its label.
    """
    import numpy as np
    from scipy.optimize import minimize_scalar

    table = np.asarray(scores, dtype=float)
    own = table[np.arange(len(table)), list(truth)]
    pseudo = table.mean(axis=1).mean()

    def loss(log_temperature: float) -> float:
        cold = table / math.exp(log_temperature)
        most = cold.max(axis=1)
        scale = most + np.log(np.exp(cold - most[:, None]).sum(axis=1))
        known = (scale - own / math.exp(log_temperature)).sum()
        return float(known + scale.mean() - pseudo / math.exp(log_temperature))

    found = minimize_scalar(loss, bounds=(math.log(COLDEST), math.log(HOTTEST)), method="bounded")
    return round(math.exp(float(found.x)), 4)


def propose_threshold(confidence: Sequence[float], right: Sequence[bool]) -> float | None:
    """Return the lowest probability above which the share of errors is halved.

    None where there is no error, or where fewer than `FEWEST_ANSWERED` rows would be left.
    """
    errors = 1 - sum(right) / len(right)
    ranked = sorted(zip(confidence, right, strict=True), reverse=True)
    best, wrong = None, 0
    for count, (value, hit) in enumerate(ranked, 1):
        wrong += not hit
        last = count == len(ranked) or ranked[count][0] < value
        if last and count >= FEWEST_ANSWERED and wrong <= FEWER_ERRORS * errors * count:
            best = value
    # rounded down, so that the row that showed it is not left out
    return math.floor(best * 1000) / 1000 if best is not None and errors else None


def calibrate(
    measurement: Measurement,
    dataset: EvaluationSet,
    validation: EvaluationSet,
    groups: Sequence[int],
) -> CalibrationMetrics | None:
    """Fit a form's temperature on validation rows, and measure it; None where none were scored.

    Args:
        dataset: the held-out rows that were measured.
        groups: of each of these its question.
    """
    scores, labels = measurement.validation_scores, dataset.labels
    rows = validation.rows[: len(scores)]
    if not rows or not all(map(math.isfinite, (one for row in scores for one in row))):
        return None
    truth = [labels.index(row.answer.strip()) for row in rows]
    temperature = fit_temperature(scores, truth)
    chances = [softmax(row, temperature) for row in scores]
    hits = [row.index(max(row)) == own for row, own in zip(chances, truth, strict=True)]
    numbers = {label: number for number, label in enumerate(labels)}
    expected = [numbers.get(row.answer.strip(), -1) for row in dataset.rows]
    known = [row for row, own in enumerate(expected) if own >= 0]
    return measure_calibration(
        temperature,
        len(rows),
        propose_threshold([max(row) for row in chances], hits),
        [measurement.label_scores[row] for row in known],
        [expected[row] for row in known],
        [numbers.get(measurement.answers[row], -1) for row in known],
        [groups[row] for row in known],
    )


def measure_calibration(
    temperature: float,
    validation_rows: int,
    threshold: float | None,
    scores: Sequence[Sequence[float]],
    truth: Sequence[int],
    answers: Sequence[int],
    groups: Sequence[int],
) -> CalibrationMetrics:
    """Measure the probabilities on held-out rows.

    Args:
        threshold: the proposed one.
        scores: of each row the log-likelihoods of the labels.
        truth, answers: of each row the numbers of its label and of its answer's; -1 for no label.
        groups: of each row its question.
    """
    ones = [1.0] * len(truth)

    def both(at: float) -> tuple[list[list[float]], list[float], list[float]]:
        rows = [softmax(row, at) for row in scores]
        brier = [
            sum((p - (label == own)) ** 2 for label, p in enumerate(row))
            for row, own in zip(rows, truth, strict=True)
        ]
        owns = [row[own] for row, own in zip(rows, truth, strict=True)]
        return rows, brier, [-math.log(max(LEAST, own)) for own in owns]

    rows, brier, loss = both(temperature)
    _, brier_before, loss_before = both(1.0)
    right = [own == answer for own, answer in zip(truth, answers, strict=True)]
    confidence = [row[one] if one >= 0 else 0.0 for row, one in zip(rows, answers, strict=True)]
    found = CalibrationMetrics(
        temperature=temperature,
        validation_rows=validation_rows,
        brier=ratio_of_sums(brier, ones, groups),
        brier_before=sum(brier_before) / len(brier),
        log_loss=ratio_of_sums(loss, ones, groups),
        log_loss_before=sum(loss_before) / len(loss),
        threshold=threshold,
    )
    _reliability(found, confidence, right)
    if threshold is not None:
        kept = [row for row, value in enumerate(confidence) if value >= threshold]
        found.coverage = share([value >= threshold for value in confidence], groups)
        if kept:
            hits = [right[row] for row in kept]
            found.covered_accuracy = share(hits, [groups[row] for row in kept])
    return found


def _reliability(
    found: CalibrationMetrics, confidence: Sequence[float], right: Sequence[bool]
) -> None:
    """Add the curve, its band, and the three parts of the answers' Brier score."""
    import numpy as np

    x, y = np.asarray(confidence), np.asarray(right, dtype=float)
    curve = isotonic(x, y)
    score, best = ((x - y) ** 2).mean(), ((curve - y) ** 2).mean()
    found.uncertainty = float(((y.mean() - y) ** 2).mean())
    found.miscalibration = float(score - best)
    found.discrimination = found.uncertainty - float(best)
    chance = np.random.default_rng(SEED)
    drawn = [isotonic(x, (chance.random(len(x)) < x).astype(float)) for _ in range(RESAMPLES)]
    low, high = np.percentile(drawn, BAND, axis=0)
    places = np.unique(x, return_index=True)[1]
    if len(places) > POINTS:
        places = places[np.linspace(0, len(places) - 1, POINTS).round().astype(int)]
    table = np.stack([x, curve, low, high], axis=1)[places]
    found.reliability = [[round(float(value), 5) for value in row] for row in table]


def isotonic(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the non-decreasing function of `x` that is nearest to `y`, at each of `x`."""
    from sklearn.isotonic import IsotonicRegression

    return IsotonicRegression(out_of_bounds="clip").fit(x, y).predict(x)
