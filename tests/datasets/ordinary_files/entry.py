"""What a file is, and what must become of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .content import Put


class Turn(NamedTuple):
    """One turn of the prepared row, and whether the model learns to write it."""

    role: str
    text: str
    learned: bool


Turns = tuple[Turn, ...]


class Read(NamedTuple):
    """A file that is read.

    Attributes:
        task: what `new` takes it for.
        rows: for each row of the file its turns, or the reason for which it is left out.
        unused: what is named as unused by `new` and by `data` -> how many rows have it. Any other
            column must be used.
        said, seen: what `new` and `data` print besides, in small letters.
        labels: of a classification, what dataset.yaml lists; () where it does not matter.
    """

    task: str
    rows: Sequence[Turns | str]
    unused: Mapping[str, int] = {}
    said: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()


class Refused(NamedTuple):
    """A file that is refused.

    Attributes:
        says, fix: what the message and its remedy hold, in small letters.
        said: where `data` refuses it, once the model is there: what `new` says of it.
    """

    says: tuple[str, ...]
    fix: tuple[str, ...] = ()
    said: tuple[str, ...] = ()


class Entry(NamedTuple):
    """One file.

    Attributes:
        name: what it is.
        source: where such files are described.
        put: writes it.
        outcome: what must become of it.
        options: words of the command line besides --data.
    """

    name: str
    source: str
    put: Put
    outcome: Read | Refused
    options: tuple[str, ...] = ()


def system(text: str) -> Turn:
    return Turn("system", text, False)


def user(text: str) -> Turn:
    return Turn("user", text, False)


def answer(text: str) -> Turn:
    return Turn("assistant", text, True)


def shown(text: str) -> Turn:
    """An answer that is part of the prompt only."""
    return Turn("assistant", text, False)


def asked(prompt: str, reply: str, instead: str = "") -> Turns:
    """A question and its answer, behind a system turn where there is one."""
    first = (system(instead),) if instead else ()
    return (*first, user(prompt), answer(reply))


def labelled(text: str, label: str, heading: str = "Label") -> Turns:
    """A text and its label, as `new` words a classification."""
    return (user(f"{text}\n{heading}:"), answer(label))
