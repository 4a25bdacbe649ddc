"""Prompts in numbers: hashes of what must be equal, MinHash signatures of what may be similar."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from phi3scaffold.datasets.frames import Frames
from phi3scaffold.datasets.wording import hash_text, is_dense, is_sentence, wording

if TYPE_CHECKING:
    import numpy as np

LETTERS, DENSE_LETTERS = 5, 2  # of a shingle
FEWEST, DENSE_FEWEST = 20, 10  # shingles; "nearly" means nothing for three words
PERMUTATIONS = 128
CHUNK = 4096  # shingles hashed at once, which bounds the memory for long texts


class Prompts(NamedTuple):
    """Prompts as they are compared: arrays of one length, an entry a prompt.

    Attributes:
        text: a hash of the wording's text (int64, as all hashes).
        own: of what lies inside wide frames, and of these frames.
        inner: of what lies inside all frames, and of the answer.
        frame: of the wide frames.
        numbers: of the numbers.
        answer: of the answer, a hash that others have computed.
        specific: 1 where the answer is a sentence.
        places: where the prompts lie that are long enough for a signature.
        signatures: uint32 of shape (as many, `PERMUTATIONS`).
    """

    text: np.ndarray
    own: np.ndarray
    inner: np.ndarray
    frame: np.ndarray
    numbers: np.ndarray
    answer: np.ndarray
    specific: np.ndarray
    places: np.ndarray
    signatures: np.ndarray


HASHED = Prompts._fields[:7]


def read(prompts: Iterable[tuple[str, str]], answers: Sequence[int], frames: Frames) -> Prompts:
    """Read prompts for comparison.

    Args:
        prompts: each with its answer.
        answers: a hash of each answer.
        frames: of all prompts.
    """
    import numpy as np

    rows, places, sketches = [], [], [np.empty((0, PERMUTATIONS), np.uint32)]
    for place, ((prompt, answer), known) in enumerate(zip(prompts, answers, strict=True)):
        text, numbers = wording(prompt)
        own, *wide = frames.strip(text, wide=True)
        inner = frames.strip(text, wide=False)[0]
        rows.append(
            (
                hash_text(text),
                hash_text("\x1f".join((own, *wide))),
                hash_text(f"{inner}\x1f{known}"),
                hash_text("\x1f".join(wide)),
                hash_text("\x1f".join(numbers)),
                known,
                is_sentence(answer),
            )
        )
        found = shingles(own)
        if len(found) >= fewest(own):
            places.append(place)
            sketches.append(sketch(found)[None])
    hashed = np.array(rows, np.int64).reshape(-1, len(HASHED)).T
    return Prompts._make((*hashed, np.array(places, np.int64), np.concatenate(sketches)))


def join(parts: Iterable[Prompts], count: int) -> Prompts:
    """Join `count` prompts that were read in parts; no signature is held twice."""
    import numpy as np

    signed = np.empty((count, PERMUTATIONS), np.uint32)
    read, filled = [], 0
    for part in parts:
        more = len(part.places)
        signed[filled : filled + more] = part.signatures
        read.append(part._replace(signatures=signed[:0]))
        filled += more
    starts = np.cumsum([0, *(len(part.text) for part in read)])
    moved = [
        part._replace(places=part.places + start) for part, start in zip(read, starts, strict=False)
    ]
    return Prompts._make(map(np.concatenate, zip(*moved, strict=True)))._replace(
        signatures=signed[:filled]
    )


def own_shingles(prompt: str, frames: Frames) -> np.ndarray:
    """Return the shingles by which a prompt is compared."""
    return shingles(frames.strip(wording(prompt).text, wide=True)[0])


def fewest(text: str) -> int:
    """Return how many shingles a text needs for "nearly" to mean something."""
    return DENSE_FEWEST if is_dense(text) else FEWEST


def shingles(text: str) -> np.ndarray:
    """Return the different shingles of a text as sorted 64-bit hashes."""
    import numpy as np

    size = DENSE_LETTERS if is_dense(text) else LETTERS
    letters = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(
        np.uint64
    )
    count = len(letters) - size + 1
    if count < 1:
        return np.empty(0, np.uint64)
    hashes = np.zeros(count, np.uint64)
    for offset in range(size):
        hashes = hashes * np.uint64(0x9E3779B97F4A7C15) + letters[offset : offset + count]
    return np.unique(hashes)


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
