"""How often a verdict on accuracy passes, fails or stays unknown: simulated evaluations."""

from __future__ import annotations

import numpy as np

from phi3scaffold.datasets.paired_shares import tango_interval
from phi3scaffold.evaluation.estimate import Estimate

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
