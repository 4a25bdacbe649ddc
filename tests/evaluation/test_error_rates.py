"""How often a verdict is wrong where the truth is exactly the limit: simulated evaluations."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from phi3scaffold.datasets.paired_shares import tango_interval, tango_score
from phi3scaffold.evaluation.estimate import FAILED, PASSED
from phi3scaffold.evaluation.intervals import mean_difference, ratio_of_sums
from tests.support.verdict_rates import LIMIT, verdict_rates, verdict_rates_with_looks

WRONG = 0.05  # of the verdicts, at most
MEAN_DRAWS = 500  # a bootstrap takes longer


@pytest.mark.parametrize("rows", [40, 100, 229, 500, 1000])
@pytest.mark.parametrize("discordant", [0.02, 0.05, 0.1, 0.2, 0.3])
def test_accuracy_is_seldom_judged_wrongly(rows: int, discordant: float) -> None:
    """The true loss is exactly the limit."""
    rates = verdict_rates(rows, discordant, LIMIT)
    assert rates.get(PASSED, 0) <= WRONG and rates.get(FAILED, 0) <= WRONG


@pytest.mark.parametrize("rows", [40, 100, 229, 500, 1000])
@pytest.mark.parametrize("discordant", [0.02, 0.05, 0.1, 0.2, 0.3])
def test_looks_do_not_judge_wrongly_more_often(rows: int, discordant: float) -> None:
    """At the first of four looks that decides, the true loss being exactly the limit."""
    rates = verdict_rates_with_looks(rows, discordant, LIMIT)
    assert rates[PASSED] <= WRONG and rates[FAILED] <= WRONG


@pytest.mark.parametrize("bound", [1.96, 2.36, 4.33])
def test_the_score_at_the_limit_tells_what_the_interval_does(bound: float) -> None:
    """So that many draws can be judged at once."""
    random = np.random.default_rng(0)
    for _ in range(300):
        rows = int(random.integers(40, 1000))
        won, lost, _ = random.multinomial(rows, [0.06, 0.02, 0.92]).tolist()
        low, high = tango_interval(won, lost, rows, bound)
        score = tango_score(won, lost, rows, LIMIT)
        assert (high <= LIMIT, low > LIMIT) == (score <= -bound, score > bound)


def test_more_rows_tell_more() -> None:
    powers = [verdict_rates(rows, 0.05, 0.0).get(PASSED, 0) for rows in (100, 500, 1000)]
    assert powers == sorted(powers) and powers[-1] > 0.7


def lognormal(random: np.random.Generator, rows: int) -> np.ndarray:
    """Rows that differ more than a hundredfold, as divergences may."""
    return random.lognormal(0, 1.5, rows) / np.exp(1.5**2 / 2)


SHAPES: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "normal": lambda random, rows: random.normal(1, 0.5, rows),
    "exponential": lambda random, rows: random.exponential(1, rows),
    "lognormal": lognormal,
}


@pytest.mark.parametrize("rows", [40, 100, 229])
@pytest.mark.parametrize("shape", SHAPES)
def test_divergence_is_seldom_judged_wrongly(rows: int, shape: str) -> None:
    """However unequal the rows are."""
    random, ones = np.random.default_rng(0), [1.0] * rows
    estimates = (
        ratio_of_sums(SHAPES[shape](random, rows), ones, range(rows)) for _ in range(MEAN_DRAWS)
    )
    assert_seldom_wrong([estimate.verdict(1.0, True) for estimate in estimates])


@pytest.mark.parametrize("rows", [40, 100])
def test_agreement_is_seldom_judged_wrongly(rows: int) -> None:
    """Most rows agree in all tokens; the others in half of theirs, which are more or fewer."""
    random, verdicts = np.random.default_rng(0), []
    for _ in range(MEAN_DRAWS):
        tokens = random.integers(2, 20, rows) * 2
        same = np.where(random.random(rows) < 0.8, tokens, tokens / 2)
        verdicts.append(ratio_of_sums(same, tokens, range(rows), is_share=True).verdict(0.9, False))
    assert_seldom_wrong(verdicts)


@pytest.mark.parametrize("rows", [40, 100])
@pytest.mark.parametrize("differ", [0.05, 0.2])
def test_rouge_is_seldom_judged_wrongly(rows: int, differ: float) -> None:
    """Most answers are the same; the others lose as much as makes the limit of all."""
    random, verdicts = np.random.default_rng(0), []
    for _ in range(MEAN_DRAWS):
        lost = (random.random(rows) < differ) * random.uniform(0, 2 * LIMIT / differ, rows)
        verdicts.append(mean_difference(lost, [0.0] * rows, range(rows)).verdict(LIMIT, True))
    assert_seldom_wrong(verdicts)


def assert_seldom_wrong(verdicts: Sequence[str]) -> None:
    """Within what so many draws can tell: two standard errors."""
    allowed = WRONG + 2 * (WRONG * (1 - WRONG) / len(verdicts)) ** 0.5
    assert max(verdicts.count(verdict) for verdict in (PASSED, FAILED)) <= allowed * len(verdicts)
