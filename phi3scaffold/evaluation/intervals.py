"""Intervals of what held-out rows show of a form: paired, and with near duplicates counted once.

Shares of the same rows have Tango's score interval (`phi3scaffold.datasets.paired_shares`), sums
over rows a bootstrap of the questions, bias-corrected and accelerated (B. Efron, Journal of the
American Statistical Association 82 (1987), 171-185; `scipy.stats.bootstrap`). That rows of one
question are not independent widens both (clustered standard errors: E. Miller, Adding Error Bars
to Evals, 2024, arXiv:2411.00640).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from phi3scaffold.datasets.paired_shares import Z, tango_interval
from phi3scaffold.evaluation.estimate import Estimate

if TYPE_CHECKING:
    import numpy as np

RESAMPLES = 2_000
SEED = 0
BATCH = 4_000_000  # numbers that are resampled at once


def expanded(confidence: float, count: int) -> float:
    """Return the confidence to ask of a bootstrap of few values, which is too narrow by itself.

    T. Hesterberg's expanded percentile interval (The American Statistician 69 (2015), 371-386).
    """
    from scipy.stats import norm, t

    quantile = t.ppf((1 + confidence) / 2, count - 1) * math.sqrt(count / (count - 1))
    return float(2 * norm.cdf(quantile) - 1)


def two_sided(confidence: float) -> float:
    """Return the standard normal quantile of a two-sided confidence, such as 0.95."""
    from scipy.stats import norm

    return float(norm.ppf((1 + confidence) / 2))


def share_difference(
    first: Sequence[bool], second: Sequence[bool], groups: Sequence[int]
) -> Estimate:
    """Return the share of rows that `first` has right minus the share that `second` has right.

    Args:
        first, second: of the same rows.
        groups: of each row its question; rows of one number are near duplicates.
    """
    import numpy as np

    differences = np.subtract(first, second, dtype=float)
    questions = _independent(differences, groups)
    scale = questions / len(differences)
    won, lost = float((differences > 0).sum()), float((differences < 0).sum())
    low, high = tango_interval(won * scale, lost * scale, questions)
    return Estimate(float(differences.mean()), low, high, questions)


def share(hits: Sequence[bool], groups: Sequence[int]) -> Estimate:
    """Return a share of rows with Wilson's score interval, over the number of questions."""
    import numpy as np

    values = np.asarray(hits, dtype=float)
    questions = _independent(values, groups)
    value = float(values.mean())
    low, high = wilson_interval(value, questions)
    return Estimate(value, low, high, questions)


def wilson_interval(value: float, count: float, z: float = Z) -> tuple[float, float]:
    """Return Wilson's score interval of a share of `count` independent rows, or parts of rows.

    See https://doi.org/10.1080/01621459.1927.10502953.
    """
    middle = value + z * z / (2 * count)
    half = z * math.sqrt(value * (1 - value) / count + z * z / (4 * count * count))
    whole = 1 + z * z / count
    return max(0.0, (middle - half) / whole), min(1.0, (middle + half) / whole)


def ratio_of_sums(
    tops: Sequence[float],
    bottoms: Sequence[float],
    groups: Sequence[int],
    *,
    show: Callable[[float], float] = float,
    is_share: bool = False,
    confidence: float = 0.95,
) -> Estimate:
    """Return the sum of `tops` over the sum of `bottoms`, bootstrapped over questions.

    Args:
        tops: of each row, such as the divergence summed over its tokens, or a difference of two
            forms' values.
        bottoms: of each row, such as the number of its tokens; 1 for the mean over rows.
        groups: of each row its question.
        show: an increasing function that is applied to the value and to both ends.
        is_share: whether it is a share. Where all questions have the same value, a share has
            Wilson's interval; anything else has no width then.
        confidence: of the interval.
    """
    import numpy as np

    whole = by_question(tops, groups), by_question(bottoms, groups)
    top, bottom = (part[whole[1] > 0] for part in whole)
    value = float(top.sum() / bottom.sum())
    count = len(top)
    if np.ptp(top / bottom) <= 1e-12 * max(1.0, abs(value)):
        ends = wilson_interval(value, count, two_sided(confidence)) if is_share else (value, value)
    else:
        ends = _bootstrap(top, bottom, confidence)
    low, high = (show(end) for end in ends)
    return Estimate(show(value), min(low, show(value)), max(high, show(value)), count)


def mean_difference(
    first: Sequence[float],
    second: Sequence[float],
    groups: Sequence[int],
    confidence: float = 0.95,
) -> Estimate:
    """Return the mean over rows of `first` minus `second`, bootstrapped over questions."""
    import numpy as np

    differences = np.subtract(first, second, dtype=float)
    ones = [1.0] * len(differences)
    return ratio_of_sums(differences.tolist(), ones, groups, confidence=confidence)


def by_question(values: Sequence[float] | np.ndarray, groups: Sequence[int]) -> np.ndarray:
    """Return the sums of the rows of each question."""
    import numpy as np

    _, places = np.unique(groups, return_inverse=True)
    return np.bincount(places, weights=np.asarray(values, dtype=float))


def _bootstrap(top: np.ndarray, bottom: np.ndarray, confidence: float) -> tuple[float, float]:
    import numpy as np
    from scipy.stats import bootstrap

    def ratio(tops: np.ndarray, bottoms: np.ndarray, axis: int = -1) -> Any:
        return tops.sum(axis=axis) / bottoms.sum(axis=axis)

    ends = (math.nan, math.nan)
    for method in ("BCa", "percentile"):  # BCa has none where all resamples lie on one side
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            interval = bootstrap(
                (top, bottom),
                ratio,
                paired=True,
                vectorized=True,
                n_resamples=RESAMPLES,
                batch=max(1, BATCH // len(top)),
                confidence_level=expanded(confidence, len(top)),
                method=method,
                rng=np.random.default_rng(SEED),
            ).confidence_interval
        ends = float(interval.low), float(interval.high)
        if all(map(math.isfinite, ends)):
            break
    return ends


def _independent(values: np.ndarray, groups: Sequence[int]) -> float:
    """Return how many independent rows tell as much as these, of which some are near duplicates.

    The rows over the design effect: the variance of the mean with the rows of a question taken
    together, over that of single rows.
    """
    _, count = by_question(values, groups), len(set(groups))
    centred = values - values.mean()
    alone = float((centred**2).sum())
    if count == len(values) or alone == 0:
        return float(count)
    together = float((by_question(centred, groups) ** 2).sum())
    return len(values) / max(1.0, together / alone)
