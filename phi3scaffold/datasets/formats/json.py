"""Rows of json and jsonl: (line, values), one at a time.

No row is held twice, and none may be larger than `LARGEST`: a quote or a bracket that is never
closed must not swallow the memory along with the file.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any

from phi3scaffold.datasets.files import BUFFER, Meter, open_bytes, shown
from phi3scaffold.project.errors import ScaffoldError

LARGEST = 16 << 20  # bytes or characters of one row
BOM = "\ufeff"
Values = dict[str, Any]

Broken = Callable[[ScaffoldError], None]

decode: Callable[..., tuple[Any, int]] = json.JSONDecoder().raw_decode


def refuse(error: ScaffoldError) -> None:
    """What becomes of a row that cannot be read, where nobody says otherwise."""
    raise error


def json_lines(file: Path, meter: Meter, broken: Broken = refuse) -> Iterator[tuple[int, Values]]:
    """One JSON object a line; empty lines are passed over, and so are those that `broken` takes."""
    with open_bytes(file, meter) as stream:
        refuse_other_kinds(file, stream)
        yield from json_lines_of(stream, file, broken)


def json_lines_of(
    stream: IO[bytes], file: Path, broken: Broken = refuse
) -> Iterator[tuple[int, Values]]:
    """As `json_lines`, of what is open already; `file` is its name in messages."""
    for number, text in lines_of(stream, file, broken):
        text = text.strip()
        if not text:
            continue
        try:
            values, end = decode(text)
        except (ValueError, RecursionError) as error:
            broken(not_json(file, number, reason(error)))
            continue
        if end != len(text):
            broken(
                ScaffoldError(
                    "Not valid JSON: something stands behind the object.",
                    where=f"{shown(file)}:{number}",
                    fix="write one JSON object a line",
                )
            )
        elif not isinstance(values, dict):
            broken(no_object(values, file, number))
        else:
            yield number, values


def lines_of(stream: IO[bytes], file: Path, broken: Broken = refuse) -> Iterator[tuple[int, str]]:
    """The lines of a text with their numbers from 1, without what ends them, nor a mark of UTF-8.

    Args:
        stream: the text.
        file: its name in messages.
        broken: takes the errors of lines that are no UTF-8 or larger than `LARGEST`.
    """
    cut = False  # within a line that was too large
    number = 0
    for line in iter(partial(stream.readline, LARGEST + 1), b""):
        within, cut = cut, not line.endswith(b"\n")
        if within:
            continue
        number += 1
        if len(line) > LARGEST:
            broken(too_large(file, number))
            continue
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            broken(wrong_byte(file, number, line[error.start]))
            continue
        text = text.removesuffix("\n").removesuffix("\r")
        yield number, text.removeprefix(BOM) if number == 1 else text


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


def as_object(value: Any, file: Path, line: int) -> Values:
    if isinstance(value, dict):
        return value
    raise no_object(value, file, line)


def no_object(value: Any, file: Path, line: int) -> ScaffoldError:
    return ScaffoldError(
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
        if file.name.lower().removesuffix(".gz").endswith(".json")
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
                return wrong_byte(file, number, line[error.start])
    raise AssertionError(file)


def wrong_byte(file: Path, line: int, byte: int) -> ScaffoldError:
    return ScaffoldError(
        f"The file is not UTF-8: byte 0x{byte:02x}.",
        where=f"{shown(file)}:{line}",
        fix="save it as UTF-8 (Excel: CSV UTF-8)",
    )


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
