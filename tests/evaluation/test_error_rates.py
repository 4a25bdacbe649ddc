"""How often a verdict is wrong where the truth is exactly the limit: simulated evaluations."""

from __future__ import annotations

import numpy as np
import pytest

from phi3scaffold.evaluation.estimate import FAILED, PASSED
from phi3scaffold.evaluation.intervals import ratio_of_sums
from tests.support.verdict_rates import LIMIT, verdict_rates

WRONG = 0.05  # of the verdicts, at most
KL_DRAWS = 1_000  # a bootstrap takes a thousand times as long
KL_LIMIT = 0.25


@pytest.mark.parametrize("rows", [40, 100, 229, 500, 1000])
@pytest.mark.parametrize("discordant", [0.02, 0.05, 0.1, 0.2, 0.3])
def test_accuracy_is_seldom_judged_wrongly(rows: int, discordant: float) -> None:
    """The true loss is exactly the limit."""
    rates = verdict_rates(rows, discordant, LIMIT)
    assert rates.get(PASSED, 0) <= WRONG and rates.get(FAILED, 0) <= WRONG


def test_more_rows_tell_more() -> None:
    powers = [verdict_rates(rows, 0.05, 0.0).get(PASSED, 0) for rows in (100, 500, 1000)]
    assert powers == sorted(powers) and powers[-1] > 0.7


@pytest.mark.parametrize("rows", [40, 100])
@pytest.mark.parametrize("shape", ["exponential", "share"])
def test_divergence_and_agreement_are_seldom_judged_wrongly(rows: int, shape: str) -> None:
    """Within what so many draws can tell: two standard errors."""
    random = np.random.default_rng(0)
    wrong = {PASSED: 0, FAILED: 0}
    for _ in range(KL_DRAWS):
        if shape == "share":
            values = (random.random(rows) < 1 - KL_LIMIT).astype(float)
            estimate = ratio_of_sums(values, [1] * rows, range(rows), is_share=True)
            verdict = estimate.verdict(1 - KL_LIMIT, False)
        else:
            values = random.exponential(KL_LIMIT, rows)
            verdict = ratio_of_sums(values, [1] * rows, range(rows)).verdict(KL_LIMIT, True)
        if verdict in wrong:
            wrong[verdict] += 1
    allowed = KL_DRAWS * WRONG + 2 * (KL_DRAWS * WRONG * (1 - WRONG)) ** 0.5
    assert max(wrong.values()) <= allowed
