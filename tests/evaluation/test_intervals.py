"""Intervals of what held-out rows show, and what these say of a limit."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from scipy.stats import binomtest, ttest_1samp

from phi3scaffold.evaluation.estimate import FAILED, PASSED, UNKNOWN, Estimate, holm
from phi3scaffold.evaluation.intervals import (
    mean_difference,
    ratio_of_sums,
    share,
    share_difference,
    wilson_interval,
)


def test_shares_are_compared_row_by_row() -> None:
    first, second = [True] * 227 + [False] * 2, [True] * 229
    estimate = share_difference(second, first, range(229))
    assert estimate.value == pytest.approx(2 / 229)
    assert (round(100 * estimate.low, 1), round(100 * estimate.high, 1)) == (-0.8, 3.1)


def test_near_duplicates_count_as_one() -> None:
    """Each row twice is no more than each row once."""
    random = np.random.default_rng(0)
    first, second = random.random(100) < 0.9, random.random(100) < 0.8
    once = share_difference(first, second, range(100))
    twice = share_difference(np.repeat(first, 2), np.repeat(second, 2), np.repeat(range(100), 2))
    assert vars(twice) == pytest.approx(vars(once))
    values = random.exponential(size=100)
    once = mean_difference(values, [0.0] * 100, range(100))
    twice = mean_difference(np.repeat(values, 2), [0.0] * 200, np.repeat(range(100), 2))
    assert vars(twice) == pytest.approx(vars(once))


def test_the_rows_of_a_question_may_differ() -> None:
    """Then they tell more than one row, and no more than all of them."""
    random = np.random.default_rng(1)
    values = random.random(200) < 0.5
    assert 60 < share(values, [row // 2 for row in range(200)]).questions <= 200


def test_the_bootstrap_of_a_mean_is_as_wide_as_students_interval() -> None:
    values = np.random.default_rng(2).normal(1, 2, 60)
    known = ttest_1samp(values, 0).confidence_interval()
    estimate = mean_difference(values, [0.0] * 60, range(60))
    assert estimate.low == pytest.approx(known.low, abs=0.1)
    assert estimate.high == pytest.approx(known.high, abs=0.1)


def test_the_same_rows_have_the_same_interval() -> None:
    values = np.random.default_rng(3).exponential(size=50).tolist()
    assert ratio_of_sums(values, [2] * 50, range(50)) == ratio_of_sums(values, [2] * 50, range(50))


def test_rows_that_are_all_equal_have_an_interval() -> None:
    """A bootstrap of them has none."""
    estimate = ratio_of_sums([0.25] * 30, [1] * 30, range(30))
    assert (estimate.low, estimate.value, estimate.high) == (0.25, 0.25, 0.25)
    estimate = ratio_of_sums([3] * 30, [3] * 30, range(30), is_share=True)
    assert estimate.low == pytest.approx(wilson_interval(1.0, 30)[0]) and estimate.high == 1


def test_answers_that_differ_in_few_rows_may_differ_in_others() -> None:
    """As wide as the interval of labels, of which none or one differs."""
    none = mean_difference([0.5] * 40, [0.5] * 40, range(40))
    labels = share_difference([True] * 40, [True] * 40, range(40))
    assert (none.low, none.high) == pytest.approx((labels.low, labels.high))
    one = mean_difference([0.4] + [0.5] * 39, [0.5] * 40, range(40))
    assert one.low < -0.08 and 0.08 < one.high < 0.1


@pytest.mark.parametrize("confidence", [0.99, 0.997, 0.99999])
def test_more_confidence_is_a_wider_interval(confidence: float) -> None:
    """Where 2,000 resamples have no such quantile: by Student."""
    random = np.random.default_rng(5)
    values, hits = random.normal(1, 2, 300), random.random(300) < 0.9
    error, z = values.std() / 300**0.5, NormalDist().inv_cdf((1 + confidence) / 2)
    estimate = ratio_of_sums(values, [1] * 300, range(300), confidence=confidence)
    assert estimate.high - estimate.low == pytest.approx(2 * z * error, rel=0.2)
    assert estimate.failure_p(estimate.low, True) == pytest.approx((1 - confidence) / 2)
    wide, usual = share(hits, range(300), confidence), share(hits, range(300))
    assert wide.low < usual.low and wide.high > usual.high
    wide = share_difference(hits, ~hits, range(300), confidence)
    usual = share_difference(hits, ~hits, range(300))
    assert wide.low < usual.low and wide.high > usual.high


def test_an_increasing_function_takes_the_ends_along() -> None:
    values = np.random.default_rng(4).normal(0.1, 0.2, 50).tolist()
    plain = ratio_of_sums(values, [1] * 50, range(50))
    shown = ratio_of_sums(values, [1] * 50, range(50), show=math.exp)
    assert shown.low == pytest.approx(math.exp(plain.low))
    assert shown.high == pytest.approx(math.exp(plain.high))


def test_wilsons_interval() -> None:
    known = binomtest(3, 40).proportion_ci(method="wilson")
    assert wilson_interval(3 / 40, 40) == pytest.approx((known.low, known.high), abs=1e-6)
    assert share([False] * 12, range(12)).high == pytest.approx(0.2425, abs=1e-4)


@pytest.mark.parametrize(
    ("ends", "is_maximum", "verdict"),
    [
        ((0.00, 0.02), True, PASSED),
        ((0.01, 0.03), True, UNKNOWN),
        ((0.03, 0.05), True, FAILED),
        ((0.00, 0.01), False, FAILED),
        ((0.01, 0.03), False, UNKNOWN),
        ((0.02, 0.05), False, PASSED),
    ],
)
def test_only_a_whole_interval_passes_or_fails(
    ends: tuple[float, float], is_maximum: bool, verdict: str
) -> None:
    low, high = ends
    estimate = Estimate((low + high) / 2, low, high, 100)
    assert estimate.verdict(0.02, is_maximum) == verdict
    assert (estimate.failure_p(0.02, is_maximum) < 0.025) == (verdict == FAILED)


def test_the_rows_that_would_settle_it() -> None:
    """Half as far from the limit as the interval reaches: four times as many rows."""
    assert Estimate(0.01, -0.01, 0.03, 100).questions_needed(0.02, True) == 400
    assert Estimate(0.03, 0.01, 0.05, 100).questions_needed(0.02, True) == 400
    assert Estimate(0.95, 0.85, 0.97, 100).questions_needed(0.9, False) == 400
    assert Estimate(0.85, 0.80, 0.95, 100).questions_needed(0.9, False) == 400
    assert Estimate(0.02, 0.01, 0.03, 100).questions_needed(0.02, True) is None


def test_holm_asks_more_of_the_first_of_many() -> None:
    assert holm([0.02]) == [True]
    assert holm([0.02, 0.5]) == [False, False]
    assert holm([0.02, 0.001]) == [True, True]
    assert holm([0.009, 0.012, 0.5]) == [False, False, False]


def test_what_is_never_negative_has_no_negative_end() -> None:
    """Such as a divergence of which a few rows hold most."""
    values = [0.0] * 38 + [0.01, 3.0]
    found = ratio_of_sums(values, [1.0] * 40, range(40))
    assert found.low == 0.0 and found.high > found.value
    below = ratio_of_sums([value - 0.1 for value in values], [1.0] * 40, range(40))
    assert below.low < 0
