"""Which files are for training and which are held out, as their names say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

TRAIN = "train"
HELD_OUT = ("test", "validation")  # the better one first
WORDS = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("test", "testing", "eval", "evaluation", "heldout"), "test"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
}


class Splits(NamedTuple):
    """Names of files.

    Attributes:
        train: what is trained on.
        held_out: ``test`` or ``validation`` -> its files.
        others: what is in no split, although others are.
    """

    train: tuple[str, ...]
    held_out: Mapping[str, tuple[str, ...]]
    others: tuple[str, ...] = ()


def split_of(name: str) -> str | None:
    """Return the split that a path names, or None; the file's own name counts before its folders'.

    >>> split_of("data/test-00000-of-00001.parquet"), split_of("train/0000.parquet"), split_of("a")
    ('test', 'train', None)
    """
    for part in reversed(PurePosixPath(name).parts):
        text = re.sub(r"held[-_ ]out", "heldout", part.lower())
        found = next((WORDS[word] for word in re.findall(r"[a-z]+", text) if word in WORDS), None)
        if found:
            return found
    return None


def by_name(names: Iterable[str]) -> Splits:
    """Group files by the split that they name; where none names one, all are for training."""
    found: dict[str | None, list[str]] = {}
    for name in sorted(names):
        found.setdefault(split_of(name), []).append(name)
    others = tuple(found.get(None, ()))
    if found.keys() <= {None}:
        return Splits(others, {})
    held_out = {split: tuple(found[split]) for split in HELD_OUT if split in found}
    return Splits(tuple(found.get(TRAIN, ())), held_out, others)


def kinds(names: Sequence[str]) -> list[str]:
    """Return names that differ by more than a number; the parts of one split are of one kind."""
    shapes: dict[tuple[str, str], str] = {}
    for name in names:
        path = PurePosixPath(name)
        shapes.setdefault((str(path.parent), re.sub(r"\d+", "#", path.name)), name)
    return sorted(shapes.values())
