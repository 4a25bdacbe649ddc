"""Which files are for training, for validation and held out, as their names say.

Files called train train, files called validation (valid, val, dev) validate, and files called test
(testing, eval, evaluation, held-out) are held out. What has no file comes from the training rows:
the held-out rows as a share, the validation rows by the rule in `split`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

TRAIN, VALIDATION, TEST = "train", "validation", "test"
WORDS = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("test", "testing", "eval", "evaluation", "heldout"), TEST),
    **dict.fromkeys(("validation", "valid", "val", "dev"), VALIDATION),
}


class Splits(NamedTuple):
    """Names of files.

    Attributes:
        train: what is trained on.
        validation: what chooses; () where no file is called so.
        test: what is held out; () where no file is called so.
        others: what is in no split, although others are.
    """

    train: tuple[str, ...]
    validation: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    @property
    def named(self) -> dict[str, tuple[str, ...]]:
        """The splits that have files, by name."""
        every = {TRAIN: self.train, VALIDATION: self.validation, TEST: self.test}
        return {split: files for split, files in every.items() if files}


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
        return Splits(others)
    train, validation, test = (tuple(found.get(one, ())) for one in (TRAIN, VALIDATION, TEST))
    return Splits(train, validation, test, others)


def kinds(names: Sequence[str]) -> list[str]:
    """Return names that differ by more than a number; the parts of one split are of one kind."""
    shapes: dict[tuple[str, str], str] = {}
    for name in names:
        path = PurePosixPath(name)
        shapes.setdefault((str(path.parent), re.sub(r"\d+", "#", path.name)), name)
    return sorted(shapes.values())
