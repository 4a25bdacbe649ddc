"""Rows of a .jsonl, .json, .csv or .tsv file, each with the line it came from."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phi3scaffold.errors import ScaffoldError

FORMATS = (".jsonl", ".json", ".csv", ".tsv")


@dataclass(frozen=True)
class Row:
    """One row. `where` is ``file:line``, or ``file: row N`` in a .json list."""

    values: dict[str, Any]
    where: str


def read_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of `path`.

    Raises:
        ScaffoldError: missing, unreadable, empty, of another format, or broken at a line.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise ScaffoldError(
            f"Data files end in {', '.join(FORMATS)}; this one ends in {suffix or 'nothing'!r}.",
            where=path,
        )
    text = _read(path)
    if not text.strip():
        raise ScaffoldError("The data file is empty.", where=path)
    if suffix == ".jsonl":
        return _json_lines(path, text)
    if suffix == ".json":
        return _json_list(path, text)
    return _separated(path, text, "\t" if suffix == ".tsv" else ",")


def _read(path: Path) -> str:
    if not path.exists():
        raise ScaffoldError("The data file does not exist.", where=path, fix="check --data")
    if not path.is_file():
        raise ScaffoldError("The data must be one file.", where=path, fix="check --data")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise ScaffoldError(
            "The data file is not UTF-8.", where=f"{path}:{line}", fix="save it as UTF-8"
        ) from None
    except OSError as error:
        raise ScaffoldError(
            f"The data file cannot be read: {error.strerror}.", where=path
        ) from None


def _json_lines(path: Path, text: str) -> Iterator[Row]:
    # Not splitlines(): JSON texts may hold U+2028 and its like.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            values = json.loads(line)
        except ValueError as error:
            raise ScaffoldError(f"Not JSON: {_reason(error)}.", where=where) from None
        if not isinstance(values, dict):
            raise ScaffoldError("The line must hold one JSON object.", where=where)
        yield Row(values, where)


def _json_list(path: Path, text: str) -> Iterator[Row]:
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise ScaffoldError(f"Not JSON: {error.msg}.", where=f"{path}:{error.lineno}") from None
    if not isinstance(content, list):
        raise ScaffoldError("The file must hold one JSON list of objects.", where=path)
    for number, values in enumerate(content, 1):
        where = f"{path}: row {number}"
        if not isinstance(values, dict):
            raise ScaffoldError("The row must be a JSON object.", where=where)
        yield Row(values, where)


def _separated(path: Path, text: str, delimiter: str) -> Iterator[Row]:
    csv.field_size_limit(2**31 - 1)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [name.strip() for name in next(reader)]
        if len(set(header)) != len(header) or "" in header:
            raise ScaffoldError(
                "The first line must name every column, each once.", where=f"{path}:1"
            )
        for cells in reader:
            if not cells:
                continue
            where = f"{path}:{reader.line_num}"
            if len(cells) != len(header):
                raise ScaffoldError(
                    f"The row has {len(cells)} cells, the header {len(header)}.", where=where
                )
            yield Row(dict(zip(header, cells, strict=True)), where)
    except csv.Error as error:
        raise ScaffoldError(
            f"Not valid {path.suffix}: {error}.", where=f"{path}:{reader.line_num}"
        ) from None


def _reason(error: ValueError) -> str:
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error)
