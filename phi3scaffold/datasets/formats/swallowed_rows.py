"""A field that holds whole rows: a quote was opened in one of them and closed in a later one.

Nothing is wrong with such a file by the rules of CSV, and everything with what is read from it. A
field is suspected whose lines have as many fields as the table has columns; it is found out where
they also hold values that other rows have in that column, such as labels, or are told apart by
tabs, semicolons or bars, which texts seldom hold.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence

FEWEST = 2  # whole lines inside the field
KNOWN_FROM = 1000  # rows
VALUES = 50  # of a column that are known at most; a column of more is text
ALIKE = 0.9  # of the lines


class SwallowedRows:
    """Looks for rows inside the fields of a table.

    Args:
        columns: how many columns the table has.
        delimiter: what stands between its fields.
    """

    def __init__(self, columns: int, delimiter: str) -> None:
        self._columns, self._delimiter = columns, delimiter
        self._known: list[set[str] | None] = [set() for _ in range(columns)]
        self._rows = 0

    def in_record(self, record: Sequence[str]) -> int:
        """Return how many whole rows stand in one field of a record; 0 where none does."""
        if self._columns < 2:
            return 0
        for cell in record:
            if cell.count("\n") > FEWEST and (rows := self._rows_in(cell)):
                return rows
        if self._rows < KNOWN_FROM:
            self._learn(record)
        return 0

    def _learn(self, record: Sequence[str]) -> None:
        self._rows += 1
        for column, cell in enumerate(record):
            known = self._known[column]
            if known is not None and cell:
                known.add(cell)
                if len(known) > VALUES:
                    self._known[column] = None

    def _rows_in(self, cell: str) -> int:
        lines = cell.splitlines()[1:-1]
        rows = [row for row in csv.reader(lines, delimiter=self._delimiter) if row]
        fitting = [row for row in rows if len(row) == self._columns]
        if len(fitting) < max(FEWEST, ALIKE * len(rows)):
            return 0
        if self._delimiter == "," and sum(map(self._is_known, fitting)) < ALIKE * len(fitting):
            return 0
        return len(fitting)

    def _is_known(self, row: Sequence[str]) -> bool:
        """Return whether a value of a row stands in its column in an earlier row, too."""
        pairs = zip(row, self._known, strict=True)
        return any(known is not None and cell in known for cell, known in pairs)
