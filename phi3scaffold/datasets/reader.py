"""Rows from files, one at a time: every usual kind, and every error names the file and the line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from phi3scaffold.datasets.files import data_files
from phi3scaffold.datasets.formats.byte_stream import Meter, readable, shown
from phi3scaffold.datasets.formats.format import OnError, place_of, refuse
from phi3scaffold.datasets.formats.registry import format_of
from phi3scaffold.datasets.formats.text import not_utf8
from phi3scaffold.project.errors import ScaffoldError


class Row(NamedTuple):
    """One row and where it came from.

    Attributes:
        file: the file it was read from.
        line: the line where it begins, from 1; the number of the row where a file has no lines, or
            several rows on one.
        values: column -> value.
    """

    file: Path
    line: int
    values: dict[str, Any]

    @property
    def place(self) -> str:
        """``file:line`` or ``file: row N``; a file of the hub by its address there."""
        return place_of(self.file, self.line)


class Reading:
    """The rows of some files in a stable order, and how far the reading is.

    Rows are read as they are asked for; no file is held in memory. Iterating again starts anew.

    Args:
        sources: files, folders, or ``hf://datasets/owner/name@commit/path``; the last are
            downloaded into the hub's own cache.
        on_error: takes the errors of rows that cannot be read, where a file's format goes by
            lines: they are passed over. Default: the first one is raised.

    Attributes:
        files: the files, folders and hub addresses resolved.
        bytes_total: their size on the disk.
        bytes_done: how much of that was read so far.

    Raises:
        ScaffoldError: a file is missing or of a kind that is not read; while iterating: it is
            empty, unreadable, or broken at a line.
    """

    def __init__(self, sources: Iterable[Path | str], on_error: OnError = refuse) -> None:
        self._on_error = on_error
        self.files = data_files(sources)
        self._sizes = [file.stat().st_size for file in self.files]
        self._before = 0
        self._meter = Meter()

    @property
    def bytes_total(self) -> int:
        return sum(self._sizes)

    @property
    def bytes_done(self) -> int:
        return self._before + self._meter.done

    def __iter__(self) -> Iterator[Row]:
        self._before, self._meter = 0, Meter()
        for file, size in zip(self.files, self._sizes, strict=True):
            yield from _rows(file, self._meter, self._on_error)
            self._before, self._meter = self._before + size, Meter()


def read_rows(sources: Iterable[Path | str]) -> Iterator[Row]:
    """Return all rows of all files, in order: see `Reading`."""
    return iter(Reading(sources))


def _rows(file: Path, meter: Meter, on_error: OnError) -> Iterator[Row]:
    number, lost = 0, 0

    def count(error: ScaffoldError) -> None:
        nonlocal lost
        lost += 1
        on_error(error)

    form = format_of(file)
    options = {"on_error": count} if form.by_lines else {}
    with readable(file):
        try:
            for number, values in form.rows(file, meter, **options):
                yield Row(file, number, values)
        except UnicodeDecodeError:
            raise not_utf8(file) from None
    if not number and not lost:
        raise ScaffoldError(
            "The data file holds no rows.",
            where=shown(file),
            fix="put rows into it, or name another file",
        )
