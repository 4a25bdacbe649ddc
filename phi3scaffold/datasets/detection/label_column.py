"""Read every row of a classification for its label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from phi3scaffold.datasets.cell_text import cell_text
from phi3scaffold.datasets.conversations import HEADER_AGAIN, conversation, repeats_header
from phi3scaffold.datasets.detection.guess import Guess
from phi3scaffold.datasets.labels import LabelTable, label_table
from phi3scaffold.datasets.reader import Row
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.formatting import count

# A column of more values is free text where they are long, or where hardly one comes twice.
SURELY_LABELS = 50
MOST_LABELS = 1000
LABEL_LENGTH = 50  # letters, on average


def with_labels(found: Guess, rows: Iterable[Row]) -> Guess:
    """Return the guess with what the rows' labels are read as, added to those it has.

    Raises:
        ScaffoldError: a row cannot be read, the column has only one label, or is free text.
    """
    column, spec = found.assistant[1:-1], found.spec()
    texts: Counter[str] = Counter(found.label_table.texts)
    row, first_of_many, headers = None, None, 0
    for row in rows:
        if repeats_header(row):
            headers += 1
            continue
        text = cell_text(row.values.get(column))
        if text is None or column not in row.values:
            conversation(row, spec)  # says what is wrong with it
        texts[text or ""] += 1
        if len(texts) > SURELY_LABELS:
            first_of_many = first_of_many or row
            if len(texts) > 2 * MOST_LABELS:
                break
    assert row is not None
    table = label_table(texts)
    if first_of_many and _is_free_text(table):
        raise ScaffoldError(
            f"Column {column!r} has {len(table.labels)} different values in "
            f"{sum(table.counts.values())} rows; that is not a label.",
            where=first_of_many.place,
            fix="name the label's column: --answer COLUMN; or learn it as free text: --task qa",
        )
    if len(table.labels) < 2:
        raise ScaffoldError(
            f"Column {column!r} has only one label: {''.join(table.labels)!r}.",
            where=row.file,
            fix="a classification needs at least two labels; name another column: --answer COLUMN",
        )
    notes = [f"{count(headers, 'row')} left out: {HEADER_AGAIN}"] if headers else []
    return replace(found, label_table=table, notes=(*found.notes, *notes))


def _is_free_text(table: LabelTable) -> bool:
    """Return whether so many values are rather texts than labels."""
    number = len(table.labels)
    if number <= SURELY_LABELS:
        return False
    length = sum(map(len, table.labels)) / number
    return number > MOST_LABELS or length > LABEL_LENGTH or sum(table.counts.values()) < 2 * number
