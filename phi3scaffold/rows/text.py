"""Rows of json, jsonl, csv and tsv: (line, values), one at a time.

No row is held twice, and none may be larger than `LARGEST`: a quote or a bracket that is never
closed must not swallow the memory along with the file.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from phi3scaffold.errors import ScaffoldError
from phi3scaffold.rows.files import BUFFER, Meter, kind_of, open_bytes, shown

LARGEST = 16 << 20  # bytes or characters of one row
BOM = "\ufeff"
Values = dict[str, Any]

decode: Callable[..., tuple[Any, int]] = json.JSONDecoder().raw_decode


def json_lines(file: Path, meter: Meter) -> Iterator[tuple[int, Values]]:
    """One JSON object a line; empty lines are passed over."""
    with open_bytes(file, meter) as stream:
        refuse_other_kinds(file, stream)
        for number, line in enumerate(iter(partial(stream.readline, LARGEST + 1), b""), 1):
            if len(line) > LARGEST:
                raise too_large(file, number)
            text = line.decode().strip()
            if number == 1:
                text = text.removeprefix(BOM).lstrip()
            if not text:
                continue
            try:
                values, end = decode(text)
            except (ValueError, RecursionError) as error:
                raise not_json(file, number, reason(error)) from None
            if end != len(text):
                raise ScaffoldError(
                    "Not valid JSON: something stands behind the object.",
                    where=f"{shown(file)}:{number}",
                    fix="write one JSON object a line",
                )
            yield number, as_object(values, file, number)


def json_document(file: Path, meter: Meter) -> Iterator[tuple[int, Values]]:
    """A list of objects, an object with one such list in it, or objects one after another."""
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
            raise text.broken("something stands behind the end")


class Window:
    """A JSON text that is read on as it is needed; what was passed over is forgotten.

    Attributes:
        at: where in the part at hand the next value begins.
    """

    # The decoder says "broken" of a value that merely goes on in what was not read yet.
    CUT = 16  # characters: longer than any literal or escape

    def __init__(self, file: Path, stream: io.TextIOWrapper) -> None:
        self.file, self.at = file, 0
        self._stream, self._part = stream, ""
        self._line, self._counted = 1, 0

    def next(self) -> str:
        """The next character that is no white space, which `at` then points to; "" at the end."""
        while True:
            part = self._part
            while self.at < len(part) and part[self.at] in " \t\r\n":
                self.at += 1
            if self.at < len(part):
                return part[self.at]
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
                value, self.at = decode(self._part, self.at)
                return value
            except json.JSONDecodeError as error:
                cut = error.pos >= len(self._part) - self.CUT or "Unterminated" in error.msg
                if not cut or not self._read_on():
                    raise self.broken(error.msg, error.pos) from None
            except (ValueError, RecursionError) as error:
                raise self.broken(reason(error)) from None

    def another_follows(self) -> bool:
        """Whether something stands behind the object that begins here, as in JSON lines."""
        while len(self._part) - self.at < 4 * BUFFER and self._read_on():
            pass
        try:
            _, end = decode(self._part, self.at)
        except (ValueError, RecursionError):
            return False
        return bool(self._part[end:].strip())

    def line(self) -> int:
        """The line of what `at` points to."""
        self._line += self._part.count("\n", self._counted, self.at)
        self._counted = self.at
        return self._line

    def place(self) -> str:
        return f"{shown(self.file)}:{self.line()}"

    def broken(self, why: str, at: int | None = None) -> ScaffoldError:
        line = self.line() + (self._part.count("\n", self.at, at) if at else 0)
        return not_json(self.file, line, why)

    def _read_on(self) -> bool:
        """Read another part; False at the end of the file."""
        line, rest = self.line(), self._part[self.at :]
        if len(rest) > LARGEST:
            raise too_large(self.file, line)
        more = self._stream.read(max(BUFFER, len(rest)))
        self._part, self.at, self._counted = rest + more, 0, 0
        return bool(more)


def _list(text: Window) -> Iterator[tuple[int, Values]]:
    """The objects of a list whose bracket was passed."""
    if text.next() == "]":
        text.at += 1
        return
    while True:
        yield _row(text)
        if text.take(",]") == "]":
            return


def _one_after_another(text: Window) -> Iterator[tuple[int, Values]]:
    while text.next():
        yield _row(text)


def _row(text: Window) -> tuple[int, Values]:
    text.next()
    line = text.line()
    return line, as_object(text.value(), text.file, line)


def _wrapped(text: Window) -> Iterator[tuple[int, Values]]:
    """The one list of objects that stands in an object, such as ``{"data": [...]}``."""
    first, found = text.place(), ""
    text.take("{")
    while text.next() != "}":
        if text.next() != '"':
            raise text.broken('" is missing')
        key = str(text.value())
        text.take(":")
        if text.next() == "[":
            text.at += 1
            if text.next() == "{":
                if found:
                    raise ScaffoldError(
                        f"The file holds two lists of objects, {found!r} and {key!r}.",
                        where=text.place(),
                        fix="write each into a file of its own",
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
            "The file holds one object and no list of objects in it.",
            where=first,
            fix="a .json file holds a list of rows, or an object with such a list in it",
        )


def delimited(file: Path, meter: Meter) -> Iterator[tuple[int, Values]]:
    """csv and tsv; a .csv may use ``;`` or tabs, as its first line shows."""
    csv.field_size_limit(LARGEST)  # of this process; the default would refuse a long text
    with open_bytes(file, meter) as stream:
        refuse_other_kinds(file, stream)
        lines = _lines(file, io.TextIOWrapper(stream, encoding="utf-8-sig", newline=""))
        begin, first = next(((n, line) for n, line in enumerate(lines, 1) if line.strip()), (1, ""))
        delimiter = "\t" if kind_of(file) == ".tsv" else _delimiter(first)
        reader = csv.reader(chain([first], lines), delimiter=delimiter, strict=True)
        before, header = begin - 1, None
        try:
            for record in reader:
                line, begin = begin, before + reader.line_num + 1
                if not any(record) and len(record) < 2:
                    continue
                if header is None:
                    header = _header(record, file, line)
                elif len(record) == len(header):
                    yield line, dict(zip(header, record, strict=True))
                else:
                    raise _ragged(file, line, record, header, delimiter)
        except csv.Error as error:
            raise _not_csv(file, begin, str(error)) from None


def _lines(file: Path, stream: io.TextIOWrapper) -> Iterator[str]:
    for number, line in enumerate(iter(partial(stream.readline, LARGEST + 1), ""), 1):
        if len(line) > LARGEST:
            raise too_large(file, number)
        yield line


def _delimiter(header: str) -> str:
    """What parts the first line into the most columns, without cutting through quotes."""

    def columns(mark: str) -> tuple[bool, int]:
        names = next(csv.reader([header], delimiter=mark), [])
        return not any('"' in name for name in names), len(names)

    mark = max("\t,;", key=columns)  # the first of equals
    return mark if columns(mark)[1] > 1 else ","


def _header(record: list[str], file: Path, line: int) -> list[str]:
    names = [name.strip() for name in record]
    where = f"{shown(file)}:{line}"
    if "" in names:
        raise ScaffoldError(
            f"Column {names.index('') + 1} has no name.",
            where=where,
            fix="the first line must name every column; pandas leaves its index out with "
            "to_csv(..., index=False)",
        )
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ScaffoldError(
            f"Two columns are called {twice!r}.", where=where, fix="rename or remove one of them"
        )
    return names


def _ragged(
    file: Path, line: int, record: list[str], header: list[str], delimiter: str
) -> ScaffoldError:
    mark = "a tab" if delimiter == "\t" else repr(delimiter)
    return ScaffoldError(
        f"The row has {len(record)} fields, the header {len(header)}.",
        where=f"{shown(file)}:{line}",
        fix=f"put quotes around a field that holds {mark}, or add what is missing",
    )


def _not_csv(file: Path, line: int, error: str) -> ScaffoldError:
    if "field larger" in error:
        return too_large(file, line)
    if "end of data" in error:
        error = "a quote is opened and never closed"
    return ScaffoldError(
        f"Not valid {kind_of(file)[1:]}: {error}.",
        where=f"{shown(file)}:{line}",
        fix='close the quote; inside quotes, a quote is written twice ("")',
    )


def as_object(value: Any, file: Path, line: int) -> Values:
    if isinstance(value, dict):
        return value
    raise ScaffoldError(
        f"Each row must be a JSON object, not {kind_of_value(value)}.",
        where=f"{shown(file)}:{line}",
        fix='write it as {"column": "text", ...}',
    )


def kind_of_value(value: Any) -> str:
    """What a value is, in words."""
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return f"the number {value!r:.40}"
    kinds = {str: "text", list: "a list", dict: "an object", type(None): "null", bytes: "bytes"}
    return kinds.get(type(value), f"a {type(value).__name__}")


def reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return error.msg
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return str(error).partition(";")[0]  # a number of thousands of digits


def not_json(file: Path, line: int, why: str) -> ScaffoldError:
    return ScaffoldError(
        f"Not valid JSON: {why[:1].lower()}{why[1:]}.",
        where=f"{shown(file)}:{line}",
        fix="mend it there"
        if kind_of(file) == ".json"
        else "mend that line; each line must be one JSON object",
    )


def too_large(file: Path, line: int) -> ScaffoldError:
    return ScaffoldError(
        f"The row is larger than {LARGEST >> 20} MiB.",
        where=f"{shown(file)}:{line}",
        fix="look whether a quote, a bracket or the end of a line is missing; else cut the row",
    )


def not_utf8(file: Path) -> ScaffoldError:
    """Look for the line: the decoder is ahead of the rows."""
    with open_bytes(file, Meter()) as stream:
        for number, line in enumerate(iter(partial(stream.readline, LARGEST), b""), 1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return ScaffoldError(
                    f"The file is not UTF-8: byte 0x{line[error.start]:02x}.",
                    where=f"{shown(file)}:{number}",
                    fix="save it as UTF-8 (Excel: CSV UTF-8)",
                )
    raise AssertionError(file)


OTHER_KINDS = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"PAR1": "a parquet file",
    b"\x1f\x8b": "a gz file",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
    b"SQLite": "a database",
}


def refuse_other_kinds(file: Path, stream: io.BufferedReader[Any]) -> None:
    """What the first bytes show to be something else than its name says."""
    first = stream.peek(8)
    for mark, kind in OTHER_KINDS.items():
        if first.startswith(mark):
            raise ScaffoldError(
                f"The file is {kind}, not what its name says.",
                where=shown(file),
                fix="save it as UTF-8 text"
                if "text" in kind
                else "export it as csv or jsonl, or give it the ending it should have",
            )
