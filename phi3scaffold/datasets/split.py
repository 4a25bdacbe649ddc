"""Which rows train, validate or are held out: by content and seed, never by the rows' order.

What belongs together (the same prompt, nearly the same prompts) forms a group, and a group stays
in one set. Every group has a rank that only its content and the seed decide, so that other rows
may come, go and change places, and hardly any row changes sets.

The held-out rows are chosen first, so they are the same with and without a validation set. The
rule of ``validation: auto`` counts the rows of the training files that are kept, held-out rows
among them:

- fewer than 250: no validation set;
- else a tenth of them, at least 50, and never more than half of what is not held out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np

AUTO = "auto"
LEAST_ROWS = 250  # kept; with fewer there is no validation set
LEAST_VALIDATION = 50  # rows: with fewer, losses and metrics say little
AUTO_SHARE = 0.1
TRAINED, VALIDATING, HELD = range(3)  # the three sets, in the order of `prepared_rows.SPLITS`


class Groups(NamedTuple):
    """Rows that stay together; arrays of one length, an entry a group.

    Attributes:
        ids: int64, of which only the group's content decides.
        labels: int32, the place of its label (the answer that most of its rows have) in the
            sorted labels; 0 where the task has none.
        rows: int32, how many rows it has.
    """

    ids: np.ndarray
    labels: np.ndarray
    rows: np.ndarray


def split(
    groups: Groups, held_out: float | None, validation: float | str | None, seed: int
) -> np.ndarray:
    """Choose the set of each group of the training files: `TRAINED`, `VALIDATING` or `HELD` (int8).

    Args:
        groups: of the kept rows of the training files.
        held_out: the share of these rows to hold out; None where files of their own are.
        validation: `AUTO`; the share of these rows; or None where there is no validation set, or
            files of its own are.
        seed: decides the ranks.
    """
    import numpy as np

    sets = np.zeros(len(groups.ids), np.int8)
    if held_out is not None:
        sets[hold_out(groups, held_out, seed)] = HELD
    left = np.flatnonzero(sets == TRAINED)
    rest = Groups(*(column[left] for column in groups))
    total, free = int(groups.rows.sum()), int(rest.rows.sum())
    least = auto_rows(total, free) if validation == AUTO else 0
    wanted = round(validation * total) if isinstance(validation, float) else least
    while wanted:
        chosen = hold_out(rest, wanted / free, seed)
        missing = least - int(rest.rows[chosen].sum())
        if missing <= 0 or wanted + missing > free // 2:
            sets[left[chosen]] = VALIDATING
            break
        wanted += missing  # whole groups came to a few rows less
    return sets


def auto_rows(total: int, free: int) -> int:
    """Return how many of `total` kept rows validate by `AUTO`, where `free` are not held out."""
    if total < LEAST_ROWS:
        return 0
    return min(max(LEAST_VALIDATION, round(AUTO_SHARE * total)), free // 2)


def hold_out(groups: Groups, share: float, seed: int) -> np.ndarray:
    """Choose groups to keep from training (bool, one a group): `share` of the rows, of every label.

    As near to the share as whole groups allow, which is to the row where there are single rows.
    Every label that has at least two groups stands on both sides.
    """
    import numpy as np

    held = np.zeros(len(groups.ids), bool)
    order = np.argsort(mixed(groups.ids, seed))
    wanted = _quotas(np.bincount(groups.labels, groups.rows).astype(np.int64).tolist(), share)
    for label, quota in enumerate(wanted):
        ranked = order[groups.labels[order] == label]
        held[ranked[_choose(groups.rows[ranked], quota)]] = True
    return held


def mixed(ids: np.ndarray, seed: int) -> np.ndarray:
    """Return a rank for each id (int64 -> uint64) that the seed decides: SplitMix64's finalizer."""
    import numpy as np

    value = ids.astype(np.uint64) + np.uint64((seed + 1) * 0x9E3779B97F4A7C15 % 2**64)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def _quotas(rows: list[int], share: float) -> list[int]:
    """Return how many rows of each label to hold out, by largest remainders."""
    exact = [share * count for count in rows]
    quotas = [int(value) for value in exact]
    missing = round(share * sum(rows)) - sum(quotas)
    by_remainder = sorted(range(len(rows)), key=lambda label: quotas[label] - exact[label])
    for label in by_remainder[:missing]:
        quotas[label] += 1
    return quotas


def _choose(rows: np.ndarray, wanted: int) -> list[int]:
    """Choose among one label's groups by rank: those that fit, then one more where nearer."""
    sizes: list[int] = rows.tolist()
    if len(sizes) < 2:
        return []
    least = min(sizes)
    left = max(least, min(wanted, sum(sizes) - least))
    chosen, others = [], []
    for place, size in enumerate(sizes):
        if size <= left:
            chosen.append(place)
            left -= size
        else:
            others.append(place)
    nearer = [place for place in others if sizes[place] - left < left]
    return chosen + nearer[:1] if len(others) > 1 else chosen
