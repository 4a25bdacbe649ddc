"""A file of rows comes in; the same rows go out, with their answers in more columns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from phi3scaffold.datasets.formats.byte_stream import is_gz
from phi3scaffold.datasets.formats.registry import format_of, is_data_file
from phi3scaffold.inference.answer_record import AnswerRecord

# The new columns; those that no row has a value for are left out, but for the first.
COLUMNS: dict[str, Callable[[AnswerRecord], Any]] = {
    "answer": lambda record: record.answer,
    "probability": lambda record: record.probability,
    "runner_up": lambda record: record.runner_up,
    "runner_up_probability": lambda record: record.runner_up_probability,
    "suggestion": lambda record: record.suggestion,
    "error": lambda record: record.error and record.error["what"],
}


def has_rows_of(output: Path, source: Path | None) -> bool:
    """Return whether an output is to have the rows of `source`: a table of the same format."""
    if source is None or is_gz(output):
        return False
    if not is_data_file(output.name) or not is_data_file(source.name):
        return False
    form = format_of(source)
    return form is format_of(output) and form.add_columns is not None


def write_answered(
    source: Path, target: Path, total: int, record: Callable[[int], AnswerRecord]
) -> None:
    """Write the rows of `source` with the answers.

    Args:
        target: the file to write, of whatever ending.
        total: how many rows there are.
        record: the number of a row, from 1 -> its record.
    """
    first = next(iter(COLUMNS))
    found = {first}
    for number in range(1, total + 1):
        one = record(number)
        found |= {name for name, value in COLUMNS.items() if value(one) is not None}
    columns = [name for name in COLUMNS if name in found]

    def cells(number: int) -> list[Any]:
        one = record(number)
        return [COLUMNS[name](one) for name in columns]

    add_columns = format_of(source).add_columns
    assert add_columns is not None
    add_columns(source, target, columns, cells)
