"""Prompts that say nearly the same: what that means, and how the groups of them are found.

Two prompts are nearly the same where one of these holds for what is left of both after their
frames are stripped (see `frames`), case and punctuation are dropped and numbers masked (see
`wording`):

- The same text. Of a short prompt (fewer than `signatures.FEWEST` shingles) it is the only rule:
  "nearly" means nothing for three words.
- At least `THRESHOLD` of the shingles of either stand in both (Jaccard), whatever the answers.
- At least `SAME_THRESHOLD` of them, where both have the same answer and it is a sentence. That two
  prompts share a label says little, that they share a sentence says much.

Prompts in different frames need the same answer, too: one text to translate into two languages is
two tasks. With the same answer a greeting that only a few prompts begin with is stripped as well.

A shingle is five letters in a row: letters and not words, since some languages put no space
between words; in those it is two letters.

Numbers. "Where is order 4711?" and "Where is order 815?" are one question; "What is 3 + 4?" and
"What is 3 + 5?" are two. The answers tell them apart: numbers that are noise leave the answer as it
is. So within a group whose numbers differ the answers are looked at. Where they are all the same
(a number that is repeated from the prompt aside), the group stands. Where nearly all are the same,
and fewer differ than a quarter of what differs among all prompts, it stands as well: labels are
noisy. Else the numbers are what is asked, and only prompts with the same numbers stay together.

The signatures are datasketch's, the buckets our own: on 100,000 prompts its MinHashLSH took 33
seconds and 560 MiB where this takes 3 and 22, and it pairs all prompts of a crowded bucket.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from phi3scaffold.datasets.signatures import PERMUTATIONS, Prompts

if TYPE_CHECKING:
    import numpy as np

THRESHOLD = 0.8
SAME_THRESHOLD = 0.55
MOST = 100_000  # prompts that are compared; a seeded sample of so many where there are more
NEARLY_ALL = 0.9  # of a group's answers
NOISE = 0.25  # of the answers that differ among all prompts

# 16 bands of 8 hashes: of two prompts that are 0.8 alike 95 % become candidates, of 0.85 99 %, of
# 0.3 0.1 %. Prompts with the same answer are looked for in 32 bands of 4: of two that are 0.6
# alike 99 %.
BANDS, SAME_BANDS = 16, 32
ESTIMATE, SAME_ESTIMATE = 0.7, 0.5  # of hashes that agree; below it no closer look is taken
NEIGHBOURS = 4  # how many others of its bucket a prompt is compared with, and with the first
LOOKS = 16  # closer looks at one prompt that found it different, before it is left alone
CHUNK = 4096  # pairs whose signatures are compared at once


class Circles:
    """Which prompts belong together: a forest of links."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def root(self, place: int) -> int:
        parent = self._parent
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    def link(self, one: int, other: int) -> None:
        first, second = self.root(one), self.root(other)
        self._parent[max(first, second)] = min(first, second)

    def link_equal(self, keys: np.ndarray) -> None:
        """Link the prompts with the same key."""
        import numpy as np

        order = np.argsort(keys, kind="stable")
        ranked = keys[order]
        same = np.flatnonzero(ranked[1:] == ranked[:-1])
        for one, other in zip(order[same].tolist(), order[same + 1].tolist(), strict=True):
            self.link(one, other)

    def groups(self) -> Iterator[np.ndarray]:
        """Yield the places of each group of at least two."""
        import numpy as np

        roots = np.array([self.root(place) for place in range(len(self._parent))], np.int64)
        order = np.argsort(roots, kind="stable")
        starts = np.flatnonzero(np.diff(roots[order])) + 1
        yield from (group for group in np.split(order, starts) if len(group) > 1)


def near_groups(
    prompts: Prompts,
    names: np.ndarray,
    shingles_of: Callable[[int], np.ndarray],
    tell: Callable[[int, int], None],
) -> Iterator[list[int]]:
    """Yield the groups of nearly equal prompts, each of at least two; neighbours link them.

    Args:
        prompts: what is compared.
        names: a number for each prompt that only its content decides; the prompts' order then
            decides nothing.
        shingles_of: gives the shingles of the prompt at a place.
        tell: called with (steps done, steps).
    """
    import numpy as np

    circles = Circles(len(names))
    circles.link_equal(prompts.text)
    circles.link_equal(prompts.own)
    circles.link_equal(prompts.inner)
    # one prompt of each text speaks for all with it, the one with the least name
    places = prompts.places
    order = np.lexsort((names[places], prompts.own[places]))
    own = prompts.own[places][order]
    chosen = np.sort(order[np.concatenate([[True], own[1:] != own[:-1]])]) if len(order) else order
    _link_similar(circles, prompts, names, places[chosen], chosen, shingles_of, tell)
    usual = _largest_share(prompts.answer)
    for group in circles.groups():
        yield from _by_numbers(group, prompts, usual)


def _link_similar(
    circles: Circles,
    prompts: Prompts,
    names: np.ndarray,
    places: np.ndarray,
    signed_at: np.ndarray,
    shingles_of: Callable[[int], np.ndarray],
    tell: Callable[[int, int], None],
) -> None:
    """Link the prompts at some places whose shingles are alike; `signed_at` has their signatures.

    Two rounds: all with all, then those with the same sentence for an answer.
    """
    import numpy as np

    misses = np.zeros(len(places), np.int64)
    sentences = np.flatnonzero(prompts.specific[places])
    rounds = (
        (np.arange(len(places)), BANDS, ESTIMATE, THRESHOLD),
        (sentences, SAME_BANDS, SAME_ESTIMATE, SAME_THRESHOLD),
    )
    steps = BANDS + SAME_BANDS
    done = 0
    for members, bands, estimate, threshold in rounds:
        signed, at = signed_at[members], places[members]
        same_answer = threshold < THRESHOLD
        salt = prompts.answer[at] if same_answer else np.zeros(len(at), np.int64)
        keys = _band_keys(prompts.signatures, signed, bands, salt.astype(np.uint64))
        for band in range(bands):
            pairs = _pairs(keys[band], keys[(band + 1) % bands], names[at])
            for one, other in _alike(prompts.signatures, signed, pairs, estimate):
                first, second = int(at[one]), int(at[other])
                if circles.root(first) == circles.root(second):
                    continue
                m, n = members[one], members[other]
                if max(misses[m], misses[n]) >= LOOKS:
                    continue
                answers_agree = prompts.answer[first] == prompts.answer[second]
                if (answers_agree or prompts.frame[first] == prompts.frame[second]) and _jaccard(
                    shingles_of(first), shingles_of(second)
                ) >= threshold:
                    circles.link(first, second)
                else:
                    misses[m] += 1
                    misses[n] += 1
            done += 1
            tell(done, steps)
        misses[:] = 0


def _largest_share(answers: np.ndarray) -> float:
    """Return the share of the most frequent answer."""
    import numpy as np

    if not len(answers):
        return 0.0
    return float(np.unique(answers, return_counts=True)[1].max() / len(answers))


def _by_numbers(group: np.ndarray, prompts: Prompts, usual: float) -> Iterator[list[int]]:
    """Yield a group whole where its numbers are noise, else its prompts with the same numbers."""
    numbers = prompts.numbers[group].tolist()
    if len(set(numbers)) == 1 or _is_noise(group, prompts, usual):
        yield group.tolist()
        return
    same: dict[int, list[int]] = defaultdict(list)
    for place, its in zip(group.tolist(), numbers, strict=True):
        same[its].append(place)
    yield from (places for places in same.values() if len(places) > 1)


def _is_noise(group: np.ndarray, prompts: Prompts, usual: float) -> bool:
    """Return whether the numbers in a group leave its answers as they are.

    Seen best among prompts that differ in nothing else; where there are none, in all of the group.
    """
    answers: dict[int, Counter[int]] = defaultdict(Counter)
    texts, known = prompts.text[group].tolist(), prompts.answer[group].tolist()
    for text, answer in zip(texts, known, strict=True):
        answers[text][answer] += 1
    alike = [counts for counts in answers.values() if counts.total() > 1]
    counted = alike or [sum(answers.values(), Counter())]
    of = sum(counts.total() for counts in counted)
    differ = 1 - sum(max(counts.values()) for counts in counted) / of
    return differ == 0 or (differ <= 1 - NEARLY_ALL and differ <= NOISE * (1 - usual))


def _band_keys(
    signatures: np.ndarray, rows: np.ndarray, bands: int, salt: np.ndarray
) -> np.ndarray:
    """Return one 64-bit number for each band of some rows: uint64 of shape (bands, rows)."""
    import numpy as np

    width = PERMUTATIONS // bands
    keys = np.repeat(salt[None], bands, axis=0)
    for band in range(bands):
        for column in range(band * width, (band + 1) * width):
            keys[band] = keys[band] * np.uint64(0x9E3779B97F4A7C15) + signatures[rows, column]
    return keys


def _pairs(
    key: np.ndarray, next_key: np.ndarray, names: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield prompts in one bucket of a band, as two arrays of places.

    Linear in the prompts however full a bucket is: each is paired with the bucket's first, and
    with its neighbours when the bucket is sorted by the next band and by name.
    """
    import numpy as np

    if not len(key):
        return
    order = np.lexsort((names, next_key, key))
    ranked = key[order]
    starts = np.concatenate([[True], ranked[1:] != ranked[:-1]])
    first = order[np.maximum.accumulate(np.where(starts, np.arange(len(order)), 0))]
    yield first, order
    for step in range(1, NEIGHBOURS + 1):
        same = ranked[step:] == ranked[:-step]
        yield order[:-step][same], order[step:][same]


def _alike(
    signatures: np.ndarray,
    rows: np.ndarray,
    pairs: Iterator[tuple[np.ndarray, np.ndarray]],
    estimate: float,
) -> Iterator[tuple[int, int]]:
    """Yield the pairs of two different prompts whose signatures agree well enough."""
    for ones, others in pairs:
        differ = ones != others
        ones, others = ones[differ], others[differ]
        for start in range(0, len(ones), CHUNK):
            a, b = ones[start : start + CHUNK], others[start : start + CHUNK]
            alike = (signatures[rows[a]] == signatures[rows[b]]).mean(axis=1) >= estimate
            yield from zip(a[alike].tolist(), b[alike].tolist(), strict=True)


def _jaccard(one: np.ndarray, other: np.ndarray) -> float:
    import numpy as np

    both = len(np.intersect1d(one, other, assume_unique=True))
    return both / max(1, len(one) + len(other) - both)
