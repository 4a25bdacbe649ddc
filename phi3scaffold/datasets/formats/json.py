"""JSON lines, and JSON documents that hold a list of rows; no row is held twice."""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

from phi3scaffold.datasets.formats.byte_stream import (
    BUFFER,
    Meter,
    open_bytes,
)
from phi3scaffold.datasets.formats.format import (
    Format,
    NewCells,
    OnError,
    RowNumber,
    Rows,
    Values,
    free_names,
    place_of,
    refuse,
)
from phi3scaffold.datasets.formats.json_errors import (
    broken_line,
    cut_character,
    document_in_lines,
    more_than_object,
    no_object,
    not_json,
    reason,
)
from phi3scaffold.datasets.formats.text import BOM, LARGEST, lines_of, refuse_other_kinds, too_large
from phi3scaffold.datasets.split_names import split_of
from phi3scaffold.project.errors import ScaffoldError


def _object(pairs: list[tuple[str, Any]]) -> Values:
    """Return an object; one of two values under the same key would be lost."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r:.60} is repeated in one object")
    return found


# NaN, Infinity: no JSON, and what pandas and Python write where a value is missing.
decode: Callable[..., tuple[Any, int]] = json.JSONDecoder(
    parse_constant=lambda _: None, object_pairs_hook=_object
).raw_decode
BLANKS = re.compile(r"[ \t\r\n]*")
HALF = re.compile(r"\\u[dD][89a-fA-F]")  # an escape of half of a character
# How pandas begins a table that is not a list of rows: its to_json writes the first by default.
ORIENTS = {
    "index": re.compile(r'\{\s*"-?\d+"\s*:\s*\{'),
    "columns": re.compile(r'\{\s*"[^"]*"\s*:\s*\{\s*"-?\d+"\s*:'),
    "split": re.compile(r'\{\s*"columns"\s*:\s*\['),
}


def json_lines(file: Path, meter: Meter, on_error: OnError = refuse) -> Rows:
    """Read one JSON object a line; skip empty lines, and those whose error `on_error` takes."""
    with open_bytes(file, meter) as stream:
        refuse_other_kinds(file, stream)
        yield from json_lines_of(stream, file, on_error)


def json_lines_of(stream: IO[bytes], file: Path, on_error: OnError = refuse) -> Rows:
    """Read JSON lines from an open stream; `file` is its name in messages."""
    for number, text in lines_of(stream, file, on_error):
        text, where = text.strip().lstrip(BOM), place_of(file, number)
        if not text:
            continue
        try:
            values, end = decode(text)
        except (ValueError, RecursionError) as error:
            on_error(broken_line(file, where, text, error, first=number == 1))
            continue
        if end != len(text):
            on_error(more_than_object(where, text, text[end:].strip()))
        elif not isinstance(values, dict):
            is_document = isinstance(values, list) and any(isinstance(row, dict) for row in values)
            on_error(document_in_lines(where) if is_document else no_object(values, where))
        elif half := half_character(text, 0, end, values):
            on_error(cut_character(half, where))
        else:
            yield number, values


def add_keys(file: Path, target: Path, columns: Sequence[str], cells: NewCells) -> None:
    """Write the file's lines, with more keys at the end of each object.

    A line that is no object becomes one that has the new keys alone.
    """
    taken: dict[str, None] = {}
    for _, values in json_lines(file, Meter(), lambda _error: None):
        taken |= dict.fromkeys(values)
    names = free_names(columns, list(taken))
    number = 0
    with open_bytes(file, Meter()) as stream, target.open("w", encoding="utf-8") as out:
        for line in stream:
            text = line.decode(errors="replace").strip().lstrip(BOM)
            if not text:
                continue
            number += 1
            added = json.dumps(
                dict(zip(names, cells(number), strict=True)), ensure_ascii=False, default=str
            )
            row: Any = None
            with contextlib.suppress(ValueError, RecursionError):
                row, end = decode(text)
                row = row if end == len(text) else None
            if isinstance(row, dict) and row:
                added = f"{text[:-1].rstrip()}, {added[1:]}"
            out.write(f"{added}\n")


def json_document(file: Path, meter: Meter) -> Rows:
    """Read a list of objects, an object with one such list in it, or objects one after another."""
    with open_bytes(file, meter) as stream:
        refuse_other_kinds(file, stream)
        text = Window(file, io.TextIOWrapper(stream, encoding="utf-8-sig", newline="\n"))
        first = text.next()
        if first == "[":
            text.at += 1
            yield from _list(text)
        elif first == "{":
            yield from (_one_after_another if text.another_follows() else _wrapped)(text)
        elif first:
            raise ScaffoldError(
                "A .json file must hold a list of objects.",
                where=text.place(),
                fix='[{"question": "...", "answer": "..."}, ...]',
            )
        if text.next():
            raise text.broken("something follows the end")


class Window:
    """A JSON text that is read on as it is needed; what was passed over is forgotten.

    Attributes:
        at: where in the part at hand the next value begins.
        row: the number of the row that is read, from 1.
        shares_line: whether that row begins on the line where the one before begins.
    """

    # The decoder says "broken" of a value that merely goes on in what was not read yet.
    CUT = 16  # characters: longer than any literal or escape

    def __init__(self, file: Path, stream: io.TextIOWrapper) -> None:
        self.file, self.at = file, 0
        self._stream, self._part = stream, ""
        self._line, self._counted = 1, 0
        self.row, self.shares_line, self._row_line = 0, False, 0

    def next(self) -> str:
        """Move `at` to the next character that is no white space; return it, or "" at the end."""
        while True:
            blanks = BLANKS.match(self._part, self.at)
            self.at = blanks.end() if blanks else self.at
            if self.at < len(self._part):
                return self._part[self.at]
            if not self._read_on():
                return ""

    def take(self, wanted: str) -> str:
        """Pass over the next character, which must be one of `wanted`; return it."""
        found = self.next()
        if not found or found not in wanted:
            raise self.broken(f"{' or '.join(wanted)} is missing")
        self.at += 1
        return found

    def value(self) -> Any:
        """Pass over the JSON value that begins here, and return it."""
        self.next()
        while True:
            try:
                value, end = decode(self._part, self.at)
                if half := half_character(self._part, self.at, end, value):
                    raise cut_character(half, self.place())
                self.at = end
                return value
            except json.JSONDecodeError as error:
                cut = error.pos >= len(self._part) - self.CUT or "Unterminated" in error.msg
                if not cut or not self._read_on():
                    raise self.broken(error.msg, error.pos) from None
            except (ValueError, RecursionError) as error:
                raise self.broken(reason(error)) from None

    def another_follows(self) -> bool:
        """Return whether something stands behind the object that begins here, as in JSON lines."""
        while len(self._part) - self.at < 4 * BUFFER and self._read_on():
            pass
        try:
            _, end = decode(self._part, self.at)
        except (ValueError, RecursionError):
            return False
        return bool(self._part[end:].strip())

    def orient(self) -> str:
        """Return in which of pandas' forms without rows the object that begins here is, or ""."""
        self.next()
        start = self._part[self.at : self.at + BUFFER]
        return next((name for name, form in ORIENTS.items() if form.match(start)), "")

    def line(self) -> int:
        """Return the line of what `at` points to."""
        self._line += self._part.count("\n", self._counted, self.at)
        self._counted = self.at
        return self._line

    def begin_row(self) -> int:
        """Count the row that begins here; return its line."""
        line = self.line()
        self.row += 1
        self.shares_line, self._row_line = line == self._row_line, line
        return line

    def place(self, further: int = 0) -> str:
        """Return where `at`, or `further` lines below, is, for messages."""
        number = RowNumber(self.row) if self.shares_line else self.line() + further
        return place_of(self.file, number)

    def broken(self, why: str, at: int | None = None) -> ScaffoldError:
        further = self._part.count("\n", self.at, at) if at else 0
        return not_json(self.file, self.place(further), why)

    def _read_on(self) -> bool:
        """Read another part; False at the end of the file."""
        line, rest = self.line(), self._part[self.at :]
        if len(rest) > LARGEST:
            raise too_large(self.file, line)
        more = self._stream.read(max(BUFFER, len(rest)))
        self._part, self.at, self._counted = rest + more, 0, 0
        return bool(more)


def _list(text: Window) -> Rows:
    """Yield the objects of a list whose opening bracket was passed."""
    if text.next() == "]":
        text.at += 1
        return
    more = True
    while more:
        line, value = _row(text)
        more = text.take(",]") == ","
        yield _number(text, line), value


def _one_after_another(text: Window) -> Rows:
    while text.next():
        line, value = _row(text)
        yield _number(text, line), value


def _row(text: Window) -> tuple[int, Values]:
    text.next()
    line, value = text.begin_row(), text.value()
    if not isinstance(value, dict):
        raise no_object(value, text.place())
    return line, value


def _number(text: Window, line: int) -> int:
    """Return the line where a row began, or its own number where others begin there too."""
    following = text.next() in ("{", "[") and text.line() == line
    return RowNumber(text.row) if text.shares_line or following else line


def _wrapped(text: Window) -> Rows:
    """Yield the one list of objects that stands in an object, such as ``{"data": [...]}``."""
    orient = text.orient()
    try:
        yield from _list_within(text)
    except ScaffoldError as error:
        if not orient or text.row:
            raise
        raise ScaffoldError(
            f"The file holds a table as pandas writes it with orient={orient!r}, not rows.",
            where=error.where,
            fix='write it with df.to_json("rows.jsonl", orient="records", lines=True)',
        ) from None


def _list_within(text: Window) -> Rows:
    first, found, keys = text.place(), "", []
    text.take("{")
    while text.next() != "}":
        if text.next() != '"':
            raise text.broken('" is missing')
        key = str(text.value())
        keys.append(key)
        text.take(":")
        if text.next() == "[":
            text.at += 1
            if text.next() == "{":
                if found:
                    raise ScaffoldError(
                        f"The file holds two lists of objects, {found!r} and {key!r}.",
                        where=text.place(),
                        fix="write each into a file of its own"
                        + (" and name their folder" if split_of(found) and split_of(key) else ""),
                    )
                found = key
                yield from _list(text)
            else:
                for _ in iter(lambda: text.next() == "]", True):
                    text.value()
                    if text.next() != "]":
                        text.take(",")
                text.at += 1
        else:
            text.value()
        if text.next() != "}":
            text.take(",")
    text.at += 1
    if not found:
        raise ScaffoldError(
            f"The file holds one object ({', '.join(keys[:9]) or 'empty'}) without a list of "
            "objects in it.",
            where=first,
            fix="write only the list of rows into the file: [{...}, {...}]",
        )


def half_character(text: str, begin: int, end: int, value: Any) -> str:
    """Return the first escape in a value that is half of a character, or ""."""
    return _half_in(value) if HALF.search(text, begin, end) else ""


def _half_in(value: Any) -> str:
    if isinstance(value, str):
        return next((f"\\u{ord(mark):04x}" for mark in value if "\ud800" <= mark <= "\udfff"), "")
    parts = [*value, *value.values()] if isinstance(value, dict) else value
    return next(filter(None, map(_half_in, parts)), "") if isinstance(parts, list) else ""


JSON_LINES = Format(
    (".jsonl", ".ndjson"), json_lines, by_lines=True, is_text=True, add_columns=add_keys
)
JSON = Format((".json",), json_document, is_text=True)
