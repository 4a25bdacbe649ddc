"""How often a verdict on accuracy passes, fails or stays unknown: simulated evaluations."""

from __future__ import annotations

import numpy as np

from phi3scaffold.datasets.paired_shares import tango_interval, tango_score
from phi3scaffold.evaluation.estimate import FAILED, ONE_SIDED, PASSED, Estimate
from phi3scaffold.evaluation.looks import bounds

DRAWS = 10_000
LIMIT = 0.02  # points of accuracy that may be lost


def verdict_rates(
    rows: int, discordant: float, lost: float, draws: int = DRAWS, seed: int = 0
) -> dict[str, float]:
    """Return verdict -> its share, where `lost` of the accuracy is truly lost.

    Args:
        rows: of each evaluation.
        discordant: share of rows that only one of the two forms answers right.
        lost: share of the rows that the second form answers worse, net.
        draws: evaluations.
        seed: of the draws.
    """
    worse = (discordant + lost) / 2
    drawn = np.random.default_rng(seed).multinomial(
        rows, [worse, discordant - worse, 1 - discordant], size=draws
    )
    tables, counts = np.unique(drawn[:, :2], axis=0, return_counts=True)
    rates: dict[str, float] = {}
    for (one, other), count in zip(tables.tolist(), counts.tolist(), strict=True):
        low, high = tango_interval(one, other, rows)
        verdict = Estimate((one - other) / rows, low, high, rows).verdict(LIMIT, True)
        rates[verdict] = rates.get(verdict, 0) + count / draws
    return rates


def verdict_rates_with_looks(
    rows: int, discordant: float, lost: float, draws: int = DRAWS, seed: int = 0
) -> dict[str, float]:
    """Return the same of an evaluation that ends at the first of four looks that decides.

    A verdict by the interval is one by the score at the limit, which all draws have at once.
    """
    looks = tuple(round(rows * look / 4) for look in (1, 2, 3, 4))
    worse = (discordant + lost) / 2
    shares = [worse, discordant - worse, 1 - discordant]
    random, seen = np.random.default_rng(seed), np.zeros((draws, 3))
    passed, failed = np.zeros(draws, bool), np.zeros(draws, bool)
    for before, look, bound in zip((0, *looks), looks, bounds(looks, ONE_SIDED), strict=False):
        seen += random.multinomial(look - before, shares, size=draws)
        score, is_open = scores(seen[:, 0], seen[:, 1], look, LIMIT), ~(passed | failed)
        passed |= is_open & (score <= -bound)
        failed |= is_open & (score > bound)
    return {PASSED: float(passed.mean()), FAILED: float(failed.mean())}


def scores(won: np.ndarray, lost: np.ndarray, rows: int, difference: float) -> np.ndarray:
    """Return `tango_score` of many tables."""
    tables, places = np.unique(np.stack([won, lost], 1), axis=0, return_inverse=True)
    found = [tango_score(one, other, rows, difference) for one, other in tables.tolist()]
    return np.asarray(found)[places.reshape(-1)]
