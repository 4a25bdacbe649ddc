"""One thing that a look at the rows has found, and rows that show it."""

from __future__ import annotations

from typing import NamedTuple


class Example(NamedTuple):
    """Rows side by side.

    Attributes:
        text: what they have in common, or None.
        sides: (heading, what one of them says, or None where it says `text`).
        place: where `text` stands.
    """

    text: str | None
    sides: list[tuple[str, str | None]]
    place: str = ""


class DataFinding(NamedTuple):
    """One thing to know about the rows.

    Attributes:
        name: of one or two words.
        message: one sentence.
        warn: whether a person should do something about it.
        counts: (what, rows, places) where one sentence is several counts.
        examples: at most five.
    """

    name: str
    message: str
    warn: bool = False
    counts: tuple[tuple[str, int, tuple[str, ...]], ...] = ()
    examples: tuple[Example, ...] = ()
