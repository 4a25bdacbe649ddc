"""Probabilities of labels: the temperature, how it is measured, and the proposed threshold."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from phi3scaffold.evaluation.calibration_metrics import (
    CalibrationMetrics,
    fit_temperature,
    isotonic,
    measure_calibration,
    propose_threshold,
)
from phi3scaffold.inference.calibration import softmax


def drawn(rows: int, sharper: float) -> tuple[list[list[float]], list[int]]:
    """Likelihoods that are `sharper` times too sure, and labels as they really come."""
    chance = np.random.default_rng(5)
    true = chance.normal(0, 2, (rows, 4))
    labels = [int(chance.choice(4, p=softmax(row.tolist(), 1.0))) for row in true]
    return (sharper * true - 7).tolist(), labels


@pytest.mark.parametrize("sharper", [0.5, 1.0, 3.0])
def test_the_temperature_is_how_much_too_sure_the_form_is(sharper: float) -> None:
    assert fit_temperature(*drawn(4000, sharper)) == pytest.approx(sharper, rel=0.08)


def test_few_rows_that_are_all_right_do_not_make_it_certain() -> None:
    temperature = fit_temperature([[0.0, -4.0, -4.0]] * 20, [0] * 20)
    assert 0.3 < temperature < 4
    assert max(softmax([0.0, -4.0, -4.0], temperature)) < 0.999


def test_scores_and_their_parts() -> None:
    scores, truth = drawn(800, 3.0)
    temperature = fit_temperature(scores, truth)
    answers = [int(np.argmax(row)) for row in scores]
    groups = list(range(800))
    found = measure_calibration(temperature, 50, 0.7, scores, truth, answers, groups)
    chances = np.array([softmax(row, temperature) for row in scores])
    hit = np.eye(4)[truth]
    assert found.brier.value == pytest.approx(((chances - hit) ** 2).sum(1).mean())
    assert found.log_loss.value == pytest.approx(-np.log(chances[range(800), truth]).mean())
    assert found.brier.low < found.brier.value < found.brier.high < found.brier_before
    assert found.log_loss.high < found.log_loss_before
    top, right = chances.max(1), np.array(answers) == truth
    parts = found.miscalibration - found.discrimination + found.uncertainty
    assert parts == pytest.approx(((top - right) ** 2).mean())
    assert found.miscalibration < 0.02 < found.discrimination
    kept = top >= 0.7
    assert found.coverage and found.coverage.value == pytest.approx(kept.mean())
    assert found.covered_accuracy
    assert found.covered_accuracy.value == pytest.approx(right[kept].mean())
    inside = [low - 1e-9 <= rate <= high + 1e-9 for _, rate, low, high in found.reliability]
    assert len(inside) <= 60 and sum(inside) > 0.7 * len(inside)
    sure = measure_calibration(1.0, 50, None, scores, truth, answers, groups)
    inside = [low <= rate <= high for _, rate, low, high in sure.reliability]
    assert sum(inside) < 0.4 * len(inside) and sure.miscalibration > 0.02
    again = CalibrationMetrics.from_json(found.to_json())
    assert again == found and dataclasses.asdict(again) == dataclasses.asdict(found)


def test_an_answer_that_is_no_label_has_no_probability() -> None:
    found = measure_calibration(1.0, 9, None, [[0.0, -9.0]] * 30, [0] * 30, [-1] * 30, [*range(30)])
    assert found.miscalibration == pytest.approx(0.0) and found.reliability[0][:2] == [0.0, 0.0]


def test_isotonic_regression_pools_what_falls() -> None:
    x, y = np.array([0.1, 0.2, 0.3, 0.3]), np.array([0.0, 1.0, 0.0, 1.0])
    assert isotonic(x, y).tolist() == pytest.approx([0, 2 / 3, 2 / 3, 2 / 3])


def test_the_threshold_halves_the_errors_and_leaves_the_most_rows() -> None:
    confidence = [0.9 + n / 1000 for n in range(40)] + [0.5] * 8 + [0.3] * 2
    right = [True] * 39 + [False] + [True] * 4 + [False] * 6
    assert propose_threshold(confidence, right) == pytest.approx(0.9)
    assert propose_threshold([0.9] * 20, [True] * 20) is None  # there is nothing to leave out
    assert propose_threshold([0.9] * 4 + [0.1], [True] * 4 + [False]) is None  # too few to tell
    least = propose_threshold([0.12345] + [0.8] * 19, [False] + [True] * 19)
    assert least == 0.8
    assert math.isclose(propose_threshold([0.81239] * 20 + [0.1], [True] * 20 + [False]), 0.812)
