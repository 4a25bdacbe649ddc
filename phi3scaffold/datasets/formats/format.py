"""What a data format is: the endings of its files and the function that reads their rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phi3scaffold.datasets.formats.byte_stream import line_shown, shown
from phi3scaffold.project.errors import ScaffoldError

Values = dict[str, Any]
Rows = Iterator[tuple[int, Values]]
OnError = Callable[[ScaffoldError], None]
NewCells = Callable[
    [int], Sequence[Any]
]  # the number of a row, from 1 -> what stands in new columns
AddColumns = Callable[[Path, Path, Sequence[str], NewCells], None]


class RowNumber(int):
    """The number of a row that no line tells from others."""


def place_of(file: Path, number: int) -> str:
    """Return where a row stands, for messages."""
    if isinstance(number, RowNumber):
        return f"{shown(file)}: row {number}"
    return f"{shown(file)}:{line_shown(file, number)}"


def free_names(names: Sequence[str], taken: Sequence[str]) -> list[str]:
    """Return names of new columns: those that are taken get ``model_`` before them.

    >>> free_names(["answer", "probability"], ["text", "answer"])
    ['model_answer', 'probability']
    """
    free: list[str] = []
    for name in names:
        while name in taken or name in free:
            name = f"model_{name}"
        free.append(name)
    return free


def refuse(error: ScaffoldError) -> None:
    """Raise the error of a row that cannot be read: the default where rows are not passed over."""
    raise error


@dataclass(frozen=True)
class Format:
    """One format of data files.

    Attributes:
        endings: of its files' names, in lower case and with the dot; the usual one first.
        rows: called with a file and a `Meter`, and with `on_error` where `by_lines`; yields the
            number of each row and its values. The number is the line where the row begins, or
            the row's own: a `RowNumber` where several rows begin on a line.
        by_lines: whether reading goes on behind a row that cannot be read: its error is passed to
            `on_error`.
        is_text: whether its files are text, in whatever encoding.
        records: called with a file, yields the cells of each row as texts, the header's first; None
            where columns have names without a header.
        notes: called with a file, returns sentences on what in it is not read.
        add_columns: called with a file, another one to write, names and `NewCells`: writes the same
            rows with more columns. Rows that cannot be read have a number, too.
    """

    endings: tuple[str, ...]
    rows: Callable[..., Rows]
    by_lines: bool = False
    is_text: bool = False
    records: Callable[[Path], Iterator[list[str]]] | None = None
    notes: Callable[[Path], list[str]] = lambda _file: []
    add_columns: AddColumns | None = None
