"""A measured value with its interval, and what that says of a limit.

Passed and failed are said only where the whole interval lies on one side of the limit. Every limit
has to pass, which needs no correction for their number (an intersection-union test: R. L. Berger,
Technometrics 24 (1982), 295-300). That any of several failed does: Holm's procedure (S. Holm,
Scandinavian Journal of Statistics 6 (1979), 65-70).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

CONFIDENCE = 0.95  # of an interval, where there is one look
PASSED, FAILED, UNKNOWN = "passed", "failed", "unknown"
ONE_SIDED = 0.025  # the chance of a false "passed" at the limit, and of a false "failed"
TINY = 1e-9  # a difference of floats that is none
MOST_NEEDED = 1_000_000  # rows; more are as good as none


@dataclass
class Estimate:
    """A value of a form, as the held-out rows show it.

    Attributes:
        value: over all rows that were measured.
        low: the lower end of its interval.
        high: the upper end.
        questions: rows that are independent; near duplicates count as one.
        confidence: of the interval.
    """

    value: float
    low: float
    high: float
    questions: float
    confidence: float = CONFIDENCE

    def verdict(self, limit: float, is_maximum: bool) -> str:
        """Return whether the interval lies within the limit, outside, or around it."""
        near, far = (self.low, self.high) if is_maximum else (-self.high, -self.low)
        bound = limit if is_maximum else -limit
        if far <= bound + TINY:
            return PASSED
        return FAILED if near > bound + TINY else UNKNOWN

    def failure_p(self, limit: float, is_maximum: bool) -> float:
        """Return the one-sided p-value of the claim that the true value breaks the limit.

        The interval's half on the limit's side is taken as so many standard errors.
        """
        gap = self.value - limit if is_maximum else limit - self.value
        half = self.value - self.low if is_maximum else self.high - self.value
        if half <= 0:
            return 0.0 if gap > TINY else 1.0
        z = NormalDist().inv_cdf((1 + self.confidence) / 2)
        return math.erfc(z * gap / half / math.sqrt(2)) / 2

    def questions_needed(self, limit: float, is_maximum: bool) -> int | None:
        """Return how many different questions would settle it, if the value stayed as it is.

        None: no number would, since the value is the limit itself.
        """
        gap = abs(self.value - limit)
        inside = self.value <= limit if is_maximum else self.value >= limit
        to_high = inside == is_maximum
        half = self.high - self.value if to_high else self.value - self.low
        if gap <= TINY:
            return None
        # the interval narrows with the root of the number
        needed = self.questions * (half / gap) ** 2
        return math.ceil(needed - TINY * needed) if needed <= MOST_NEEDED else None


def holm(
    p_values: Sequence[float], level: Callable[[float], float] = lambda alpha: alpha
) -> list[bool]:
    """Return which of several claims hold, with a chance of `ONE_SIDED` that any of them is false.

    Args:
        p_values: of the claims.
        level: turns the chance of all looks into the level of this one.
    """
    order = sorted(range(len(p_values)), key=lambda number: p_values[number])
    holds = [False] * len(p_values)
    for rank, number in enumerate(order):
        if p_values[number] > level(ONE_SIDED / (len(order) - rank)):
            break
        holds[number] = True
    return holds
