"""Looks at the held-out rows: how many, when, and which confidence the intervals of each need.

Where asking all rows would take too long, they are asked in a random order, behind a few that show
how long a row takes, and looked at a few times that are planned beforehand. Looking again and again
at 95 % would not be 95 %: each look spends a part of the 5 %, after O'Brien and Fleming (K. K. G.
Lan and D. L. DeMets, Biometrika 70 (1983), 659-663). The bounds come from numerical integration (P.
Armitage, C. K. McPherson and B. C. Rowe, Journal of the Royal Statistical Society A 132 (1969),
235-244). Such intervals hold at all looks together, whatever ended the looking (C. Jennison and
B. W. Turnbull, Journal of the Royal Statistical Society B 51 (1989), 305-334).
"""

from __future__ import annotations

import math
import random
from functools import lru_cache, partial
from itertools import pairwise
from typing import TYPE_CHECKING

from phi3scaffold.evaluation.estimate import ONE_SIDED

if TYPE_CHECKING:
    import numpy as np

MOST_LOOKS = 4
SEED = 0
NODES = 1001  # of the integration
FARTHEST = 8.0  # standard deviations; beyond them there is nothing

Looks = tuple[int, ...]  # how many rows were asked by the end of each look


def spread_order(count: int) -> list[int]:
    """Return all numbers below `count`, so that as many as one likes of the first are far apart."""
    width = max(1, (count - 1).bit_length())
    mirrored = (int(f"{number:0{width}b}"[::-1], 2) for number in range(1 << width))
    return [number for number in mirrored if number < count]


def look_order(count: int, pilot: int) -> list[int]:
    """Return all numbers below `count` in the order of the looks, the same in every run.

    It is random, but for the first ones, `pilot` of them, which are spread evenly: they were asked
    to see how long a row takes.
    """
    early = spread_order(count)[:pilot]
    rest = sorted(set(range(count)) - set(early))
    random.Random(SEED).shuffle(rest)
    return early + rest


def plan_looks(rows: int, done: int, fitting: int, most_looks: int = MOST_LOOKS) -> Looks:
    """Return the looks at so many rows; fewer rows where even four looks do not reach all.

    Args:
        rows: that there are.
        done: that were asked to see how long a row takes; no answer was looked at.
        fitting: rows that may be asked in the time of one look.
        most_looks: 1 for as many rows as fit.
    """
    fitting = max(done, fitting, 1)
    if fitting >= rows:
        return (rows,)
    looks = min(most_looks, math.ceil(rows / fitting))
    last = min(rows, looks * fitting)
    plan = (max(done, round(last * look / looks)) for look in range(1, looks + 1))
    return tuple(dict.fromkeys(plan))


def confidence(looks: Looks, look: int) -> float:
    """Return the confidence that the two-sided intervals of a look need, counted from 1."""
    return 1 - 2 * level(looks, look, ONE_SIDED)


def level(looks: Looks, look: int, alpha: float) -> float:
    """Return the one-sided level of a look, where all looks together have `alpha`."""
    if len(looks) < 2:
        return alpha
    from scipy.stats import norm

    return float(norm.sf(bounds(looks, alpha)[look - 1]))


@lru_cache(maxsize=64)
def bounds(looks: Looks, alpha: float) -> tuple[float, ...]:
    """Return how many standard errors from the truth a two-sided interval reaches, look by look.

    Args:
        looks: see `Looks`; information grows with the rows.
        alpha: the chance that any look's interval misses the truth on one side.
    """
    import numpy as np
    from scipy.optimize import brentq
    from scipy.stats import norm

    times = [rows / looks[-1] for rows in looks]
    spent = [0.0, *(2 * norm.sf(norm.isf(alpha / 2) / math.sqrt(time)) for time in times)]
    found = [float(norm.isf(spent[1]))]
    places = np.linspace(-1, 1, NODES) * _farthest(found[0], times[0])
    density = norm.pdf(places, scale=math.sqrt(times[0]))
    for (before, time), (had, has) in zip(pairwise(times), pairwise(spent[1:]), strict=True):
        step = math.sqrt(time - before)
        weights = density * np.gradient(places)
        weights[[0, -1]] /= 2  # the trapezoidal rule

        wanted, root = has - had, math.sqrt(time)
        too_far = partial(_excess, wanted, weights, places, root, step)
        bound = brentq(too_far, 0.0, 40.0)
        found.append(float(bound))
        nexts = np.linspace(-1, 1, NODES) * _farthest(bound, time)
        density = norm.pdf((nexts[:, None] - places) / step) @ weights / step
        places = nexts
    return tuple(found)


def _excess(
    wanted: float, weights: np.ndarray, places: np.ndarray, root: float, step: float, bound: float
) -> float:
    """Return by how much the chance to go on and then lie beyond a bound is too large."""
    from scipy.stats import norm

    return float(weights @ norm.sf((bound * root - places) / step)) - wanted


def _farthest(bound: float, time: float) -> float:
    """Return where no look that goes on can lie beyond."""
    return min(bound, FARTHEST) * math.sqrt(time)
