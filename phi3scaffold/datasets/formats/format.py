"""What a data format is: the endings of its files and the function that reads their rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from phi3scaffold.project.errors import ScaffoldError

Values = dict[str, Any]
Rows = Iterator[tuple[int, Values]]
OnError = Callable[[ScaffoldError], None]


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
            the row's own where the format has no lines.
        by_lines: whether reading goes on behind a row that cannot be read: its error is passed to
            `on_error`.
    """

    endings: tuple[str, ...]
    rows: Callable[..., Rows]
    by_lines: bool = False
