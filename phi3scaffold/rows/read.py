"""Rows from files: json, jsonl, csv, tsv. Every error names the file and the line."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from phi3scaffold.errors import ScaffoldError

READABLE = (".jsonl", ".json", ".csv", ".tsv")


class Row(NamedTuple):
    """One row and where it came from.

    Attributes:
        file: the file it was read from.
        line: its line there, from 1 (for json: its place in the list).
        values: column -> value.
    """

    file: Path
    line: int
    values: dict[str, Any]

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"


def read_rows(files: tuple[Path, ...]) -> Iterator[Row]:
    """All rows of all files, in order.

    Raises:
        ScaffoldError: a file is missing, empty, unreadable, or broken at a line.
    """
    for file in files:
        reader = _READERS.get(file.suffix.lower())
        if reader is None:
            raise ScaffoldError(
                f"Files of kind {file.suffix or 'without an ending'!r} are not read.",
                where=file,
                fix=f"one of: {', '.join(READABLE)}",
            )
        try:
            empty = True
            for row in reader(file):
                empty = False
                yield row
        except FileNotFoundError:
            raise ScaffoldError(
                "The data file is missing.",
                where=file,
                fix="put it there, or name another in datasets/dataset.yaml",
            ) from None
        except UnicodeDecodeError as error:
            raise ScaffoldError(
                f"The file is not UTF-8 (byte {error.start} of what was read).",
                where=file,
                fix="save it as UTF-8",
            ) from None
        if empty:
            raise ScaffoldError("The data file holds no rows.", where=file)


def _json_lines(file: Path) -> Iterator[Row]:
    with file.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield _object(_parse(line.rstrip("\r\n"), file, number - 1), file, number)


def _json(file: Path) -> Iterator[Row]:
    content = _parse(file.read_text(encoding="utf-8-sig"), file, 0)
    if not isinstance(content, list):
        raise ScaffoldError("A .json file must hold a list of objects.", where=file)
    for number, value in enumerate(content, start=1):
        yield _object(value, file, number)


def _parse(text: str, file: Path, lines_before: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ScaffoldError(
            f"Not valid JSON: {error.msg}.",
            where=f"{file}:{lines_before + error.lineno}",
            fix="mend that line; each line must be one JSON object"
            if file.suffix == ".jsonl"
            else "mend that line",
        ) from None


def _object(value: Any, file: Path, number: int) -> Row:
    if not isinstance(value, dict):
        raise ScaffoldError(
            f"Each row must be a JSON object, not {type(value).__name__}.",
            where=f"{file}:{number}",
        )
    return Row(file, number, value)


def _delimited(file: Path) -> Iterator[Row]:
    delimiter = "\t" if file.suffix.lower() == ".tsv" else ","
    with file.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        header: list[str] | None = None
        try:
            for record in reader:
                if not record:
                    continue
                if header is None:
                    header = record
                    continue
                if len(record) != len(header):
                    raise ScaffoldError(
                        f"The row has {len(record)} fields, the header {len(header)}.",
                        where=f"{file}:{reader.line_num}",
                        fix="put quotes around fields that hold the delimiter",
                    )
                yield Row(file, reader.line_num, dict(zip(header, record, strict=True)))
        except csv.Error as error:
            raise ScaffoldError(
                f"Not valid {file.suffix[1:]}: {error}.", where=f"{file}:{reader.line_num}"
            ) from None


_READERS = {".jsonl": _json_lines, ".json": _json, ".csv": _delimited, ".tsv": _delimited}
