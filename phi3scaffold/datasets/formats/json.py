"""JSON lines, and JSON documents that hold a list of rows; no row is held twice."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from phi3scaffold.datasets.formats.byte_stream import (
    BUFFER,
    Meter,
    open_bytes,
    shown,
    unpacked_name,
)
from phi3scaffold.datasets.formats.format import Format, OnError, Rows, Values, refuse
from phi3scaffold.datasets.formats.text import LARGEST, lines_of, refuse_other_kinds, too_large
from phi3scaffold.project.errors import ScaffoldError

decode: Callable[..., tuple[Any, int]] = json.JSONDecoder().raw_decode


def json_lines(file: Path, meter: Meter, on_error: OnError = refuse) -> Rows:
    """Read one JSON object a line; skip empty lines, and those whose error `on_error` takes."""
    with open_bytes(file, meter) as stream:
        refuse_other_kinds(file, stream)
        yield from json_lines_of(stream, file, on_error)


def json_lines_of(stream: IO[bytes], file: Path, on_error: OnError = refuse) -> Rows:
    """Read JSON lines from an open stream; `file` is its name in messages."""
    for number, text in lines_of(stream, file, on_error):
        text = text.strip()
        if not text:
            continue
        try:
            values, end = decode(text)
        except (ValueError, RecursionError) as error:
            on_error(not_json(file, number, reason(error)))
            continue
        if end != len(text):
            on_error(
                ScaffoldError(
                    "Not valid JSON: something stands behind the object.",
                    where=f"{shown(file)}:{number}",
                    fix="write one JSON object a line",
                )
            )
        elif not isinstance(values, dict):
            on_error(no_object(values, file, number))
        else:
            yield number, values


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
        """Move `at` to the next character that is no white space; return it, or "" at the end."""
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
        """Return whether something stands behind the object that begins here, as in JSON lines."""
        while len(self._part) - self.at < 4 * BUFFER and self._read_on():
            pass
        try:
            _, end = decode(self._part, self.at)
        except (ValueError, RecursionError):
            return False
        return bool(self._part[end:].strip())

    def line(self) -> int:
        """Return the line of what `at` points to."""
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


def _list(text: Window) -> Rows:
    """Yield the objects of a list whose opening bracket was passed."""
    if text.next() == "]":
        text.at += 1
        return
    while True:
        yield _row(text)
        if text.take(",]") == "]":
            return


def _one_after_another(text: Window) -> Rows:
    while text.next():
        yield _row(text)


def _row(text: Window) -> tuple[int, Values]:
    text.next()
    line, value = text.line(), text.value()
    if not isinstance(value, dict):
        raise no_object(value, text.file, line)
    return line, value


def _wrapped(text: Window) -> Rows:
    """Yield the one list of objects that stands in an object, such as ``{"data": [...]}``."""
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


def no_object(value: Any, file: Path, line: int) -> ScaffoldError:
    return ScaffoldError(
        f"Each row must be a JSON object, not {kind_of_value(value)}.",
        where=f"{shown(file)}:{line}",
        fix='write it as {"column": "text", ...}',
    )


def kind_of_value(value: Any) -> str:
    """Return what a value is, in words."""
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
        if unpacked_name(file.name).endswith(".json")
        else "mend that line; each line must be one JSON object",
    )


JSON_LINES = Format((".jsonl", ".ndjson"), json_lines, by_lines=True)
JSON = Format((".json",), json_document)
