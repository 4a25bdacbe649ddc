"""Two shares of the same rows: Tango's score interval of their difference, and McNemar's test.

Two models answer the same rows, so only those rows tell anything that one of them answers right and
the other does not. See T. Tango, Equivalence test and confidence interval for the difference in
proportions for the paired-sample design, Statistics in Medicine 17 (1998), 891-908.
"""

from __future__ import annotations

import math

Z = 1.959964  # of a two-sided interval of 95 %


def tango_score(won: float, lost: float, rows: float, difference: float) -> float:
    """Return Tango's statistic: how many standard errors the data lie above a true difference.

    Args:
        won: rows that only the first model answers right.
        lost: rows that only the second one answers right.
        rows: all rows; the three may be fractions, such as numbers of independent rows.
        difference: the supposed share of the first minus that of the second, in (-1, 1).
    """
    b = (2 * rows - won + lost) * difference - won - lost
    c = -lost * difference * (1 - difference)
    share = (math.sqrt(max(0.0, b * b - 8 * rows * c)) - b) / (4 * rows)
    spread = rows * (2 * share + difference * (1 - difference))
    gap = won - lost - rows * difference
    return gap / math.sqrt(spread) if spread > 0 else math.copysign(math.inf, gap) if gap else 0.0


def tango_interval(won: float, lost: float, rows: float, z: float = Z) -> tuple[float, float]:
    """Return the interval of the first share minus the second, as (low, high).

    Args:
        won, lost, rows: as in `tango_score`.
        z: the standard normal quantile of its confidence; 95 % without one.
    """
    return -_highest(lost, won, rows, z), _highest(won, lost, rows, z)


def mcnemar_p(won: int, lost: int) -> float:
    """Return the two-sided mid-p-value of McNemar's test: that both shares are the same.

    See M. W. Fagerland, S. Lydersen and P. Laake, The McNemar test for binary matched-pairs data,
    BMC Medical Research Methodology 13 (2013), 91: it is not as cautious as the exact test, and
    errs hardly more often than it says.

    Args:
        won: rows that only the first model answers right.
        lost: rows that only the second one answers right.
    """
    from scipy.stats import binom

    differ, fewer = won + lost, min(won, lost)
    at_most, exactly = binom.cdf(fewer, differ, 0.5), binom.pmf(fewer, differ, 0.5)
    return min(1.0, float(2 * at_most - exactly))


def _highest(won: float, lost: float, rows: float, z: float) -> float:
    """Return the largest difference that the data do not contradict."""
    from scipy.optimize import brentq

    least, most = (won - lost) / rows, 1 - 1e-9
    if least >= most or tango_score(won, lost, rows, most) > -z:
        return 1.0
    start = max(least, -most)
    return float(brentq(lambda one: tango_score(won, lost, rows, one) + z, start, most))
