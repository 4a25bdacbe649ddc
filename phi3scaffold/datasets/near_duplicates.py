"""Prompts that are nearly the same: MinHash finds candidates, their true shingles decide.

A shingle is five letters in a row, of the text in lower case with its white space collapsed:
letters and not words, since some languages put no space between words. Two prompts are nearly
the same where at least `THRESHOLD` of the shingles of either stand in both (Jaccard). Not
compared are:

- the shingles that stand in more than a fifth of the prompts: that is the template speaking, a
  system text or an instruction that never changes, and it would make all short rows alike;
- prompts of which fewer than `FEWEST` shingles are left: "nearly" means nothing for three words.

The signatures are datasketch's, the buckets our own: on 100,000 prompts its MinHashLSH took 33
seconds and 560 MiB where this takes 3 and 22, and it pairs all prompts of a crowded bucket.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

THRESHOLD = 0.8
MOST = 100_000  # prompts that are compared; a seeded sample of so many where there are more
LETTERS = 5
FEWEST = 20
COMMON_SHARE = 0.2
COMMON_LEAST = 20  # prompts; in a handful of rows nothing is a template
COMMON_LOOKED_AT = 500  # prompts that tell what is common

# 16 bands of 8 hashes: of two prompts that are 0.8 alike 95 % become candidates, of 0.85 99 %, of
# 0.3 0.1 %.
BANDS, WIDTH = 16, 8
PERMUTATIONS = BANDS * WIDTH
ESTIMATE = 0.7  # candidates whose signatures agree in fewer places are not looked at closer
NEIGHBOURS = 4  # how many others of its bucket a prompt is compared with, and with the first
LOOKS = 16  # closer looks at one prompt that found it different, before it is left alone
CHUNK = 4096  # shingles hashed at once, which bounds the memory for long texts


def normalised(text: str) -> str:
    """Return a text as all texts are compared: lower case, white space collapsed."""
    return " ".join(text.lower().split())


def shingles(text: str, common: np.ndarray | None = None) -> np.ndarray:
    """Return the different shingles of a text as sorted 64-bit hashes, without `common` ones."""
    import numpy as np

    letters = np.frombuffer(
        normalised(text).encode("utf-32-le", "surrogatepass"), dtype="<u4"
    ).astype(np.uint64)
    count = len(letters) - LETTERS + 1
    if count < 1:
        return np.empty(0, np.uint64)
    hashes = np.zeros(count, np.uint64)
    for offset in range(LETTERS):
        hashes = hashes * np.uint64(0x9E3779B97F4A7C15) + letters[offset : offset + count]
    found = np.unique(hashes)
    if common is None or not len(common):
        return found
    return found[common[np.searchsorted(common[:-1], found)] != found]


def common_shingles(texts: Sequence[str]) -> np.ndarray:
    """Return the shingles of the template: those in more than a fifth of some prompts (sorted)."""
    import numpy as np

    if not texts:
        return np.empty(0, np.uint64)
    found, counts = np.unique(np.concatenate([shingles(t) for t in texts]), return_counts=True)
    return found[(counts > COMMON_SHARE * len(texts)) & (counts >= COMMON_LEAST)]


def signatures(texts: Iterable[str], common: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the MinHash of each text that is long enough.

    Returns:
        Their places (int64), and uint32 of shape (as many, `PERMUTATIONS`).
    """
    import numpy as np

    places, sketches = [], [np.empty((0, PERMUTATIONS), np.uint32)]
    for place, text in enumerate(texts):
        found = shingles(text, common)
        if len(found) >= FEWEST:
            places.append(place)
            sketches.append(sketch(found)[None])
    return np.array(places, np.int64), np.concatenate(sketches)


def sketch(found: np.ndarray) -> np.ndarray:
    """Return the MinHash of some shingles: uint32, `PERMUTATIONS` long."""
    import numpy as np
    from datasketch import MinHash

    minhash = MinHash(hashfunc=int, permutations=_permutations(), scheme="affine32")
    high = (found >> np.uint64(32)).tolist()  # 32 bits of each hash, as the scheme asks
    for start in range(0, len(high), CHUNK):
        minhash.update_batch(high[start : start + CHUNK])
    return minhash.hashvalues


@cache
def _permutations() -> Any:
    from datasketch import MinHash

    return MinHash(num_perm=PERMUTATIONS, seed=1).permutations


def near_groups(
    signed: np.ndarray,
    names: np.ndarray,
    shingles_of: Callable[[int], np.ndarray],
    tell: Callable[[int, int], None],
) -> Iterator[list[int]]:
    """Yield the groups of nearly equal prompts, each of at least two; neighbours link them.

    Args:
        signed: uint32 of shape (prompts, `PERMUTATIONS`).
        names: a number for each prompt that only its content decides; the prompts' order then
            decides nothing.
        shingles_of: gives the shingles of the prompt at a place.
        tell: called with (bands done, bands).
    """
    import numpy as np

    parent = list(range(len(signed)))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    keys = _band_keys(signed)
    misses = [0] * len(signed)
    for band in range(BANDS):
        for one, other in _candidates(signed, keys[band], keys[(band + 1) % BANDS], names):
            first, second = root(one), root(other)
            if first == second or max(misses[one], misses[other]) == LOOKS:
                continue
            if _jaccard(shingles_of(one), shingles_of(other)) >= THRESHOLD:
                parent[max(first, second)] = min(first, second)
            else:
                misses[one] += 1
                misses[other] += 1
        tell(band + 1, BANDS)
    roots = np.array([root(place) for place in range(len(signed))], np.int64)
    order = np.argsort(roots, kind="stable")
    starts = np.flatnonzero(np.diff(roots[order])) + 1
    for members in np.split(order, starts):
        if len(members) > 1:
            yield members.tolist()


def _band_keys(signed: np.ndarray) -> np.ndarray:
    """Return one 64-bit number for each band of each prompt: uint64 of shape (BANDS, prompts)."""
    import numpy as np

    keys = np.zeros((BANDS, len(signed)), np.uint64)
    for band in range(BANDS):
        for column in range(band * WIDTH, (band + 1) * WIDTH):
            keys[band] = keys[band] * np.uint64(0x9E3779B97F4A7C15) + signed[:, column]
    return keys


def _candidates(
    signed: np.ndarray, key: np.ndarray, next_key: np.ndarray, names: np.ndarray
) -> Iterator[tuple[int, int]]:
    """Yield pairs of prompts in one bucket of a band whose signatures agree well enough.

    Linear in the prompts however full a bucket is: each is paired with the bucket's first, and
    with its neighbours when the bucket is sorted by the next band and by name.
    """
    import numpy as np

    order = np.lexsort((names, next_key, key))
    ranked = key[order]
    starts = np.concatenate([[True], ranked[1:] != ranked[:-1]])
    first = order[np.maximum.accumulate(np.where(starts, np.arange(len(order)), 0))]
    pairs = [(first, order)]
    for step in range(1, NEIGHBOURS + 1):
        same = ranked[step:] == ranked[:-step]
        pairs.append((order[:-step][same], order[step:][same]))
    for ones, others in pairs:
        differ = ones != others
        ones, others = ones[differ], others[differ]
        for start in range(0, len(ones), CHUNK):
            a, b = ones[start : start + CHUNK], others[start : start + CHUNK]
            alike = (signed[a] == signed[b]).mean(axis=1) >= ESTIMATE
            yield from zip(a[alike].tolist(), b[alike].tolist(), strict=True)


def _jaccard(one: np.ndarray, other: np.ndarray) -> float:
    import numpy as np

    both = len(np.intersect1d(one, other, assume_unique=True))
    return both / (len(one) + len(other) - both)
