"""A user's data file becomes one that every program reads: UTF-8, with a header, one sheet.

A file that is so already is taken as it is. Of another a copy is made outside the project, which
`new` reads and takes into the project; messages go on naming the user's own file and its lines.
"""

from __future__ import annotations

import codecs
import gzip
import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import islice, pairwise
from pathlib import Path
from typing import IO

from phi3scaffold.datasets.formats import delimited, workbook
from phi3scaffold.datasets.formats.byte_stream import (
    Meter,
    is_gz,
    name_copy,
    open_bytes,
    readable,
    shown,
    unpacked_name,
)
from phi3scaffold.datasets.formats.encodings import UTF_8, Encoding, encoding_of, name_of
from phi3scaffold.datasets.formats.header import LOOKED_AT, is_row
from phi3scaffold.datasets.formats.registry import format_of
from phi3scaffold.datasets.formats.text import not_utf8
from phi3scaffold.project.errors import ScaffoldError

CHUNK = 1 << 20


@dataclass(frozen=True)
class ReadingOptions:
    """What a person says about their files where it cannot be seen.

    Attributes:
        encoding: of their texts, or None to look.
        header: whether their first row names the columns, or None to look.
    """

    encoding: str | None = None
    header: bool | None = None


LOOK = ReadingOptions()


@dataclass(frozen=True)
class NormalFile:
    """A data file that every program reads.

    Attributes:
        path: the user's own file, or the copy of it.
        name: what it is called in the project.
        notes: what was done, each a sentence.
    """

    path: Path
    name: str
    notes: tuple[str, ...] = ()


def split_sheet(data: str | Path) -> tuple[Path, str | None]:
    """Return the file, and the sheet of a workbook where one is named behind a #."""
    path = Path(data).expanduser()
    file, mark, sheet = str(path).rpartition("#")
    if mark and not path.exists() and unpacked_name(file).endswith(workbook.WORKBOOK.endings):
        return Path(file), sheet
    return path, None


def normal_file(path: Path, options: ReadingOptions = LOOK, sheet: str | None = None) -> NormalFile:
    """Return the file where it is normal, else a copy that is.

    Raises:
        ScaffoldError: it cannot be read, or not as the options say.
    """
    with readable(path):
        status = path.stat()
        try:
            return _normal(path, status.st_mtime_ns, status.st_size, options, sheet)
        except UnicodeDecodeError:
            raise not_utf8(path) from None


@cache  # `new` looks at the task first, and at everything then
def _normal(
    path: Path, _changed: int, _size: int, options: ReadingOptions, sheet: str | None
) -> NormalFile:
    found = NormalFile(path, path.name)
    form = format_of(path)
    if form.is_text:
        found = _as_utf_8(path, options.encoding)
    if form is workbook.WORKBOOK:
        found = NormalFile(path, path.name, tuple(workbook.notes(path, sheet)))
    if form.records is None:
        return found
    if _lacks_header(found.path, options.header, sheet):
        return _with_header(found, path, sheet)
    if form is not workbook.WORKBOOK and _has_row_names(found.path):
        return _with_row_names(found, path)
    return found if sheet is None else _sheet(found, path, sheet, header=True)


def plain_name(name: str) -> str:
    """Return a file's name without characters that a shell or a YAML file misreads."""
    return re.sub(r"[^\w.-]+", "-", name)


def lacks_header(path: Path) -> bool:
    """Return whether a file's first row is a row and no header."""
    return _lacks_header(path, None, None)


def _lacks_header(path: Path, header: bool | None, sheet: str | None) -> bool:
    records = format_of(path).records
    if records is None or header is True:
        return False
    rows = list(islice(workbook.records(path, sheet) if sheet else records(path), LOOKED_AT + 1))
    if header is False:
        return bool(rows)
    return len(rows) > 1 and is_row(rows[0], rows[1:])


def _as_utf_8(path: Path, named: str | None) -> NormalFile:
    found = Encoding(_codec(named)) if named else encoding_of(path)
    if named:
        found = Encoding(found.codec, (), encoding_of(path).old_mac)
    if found.codec is None or found.is_plain:
        return NormalFile(path, path.name)  # where it is no text at all, its reader says so
    target = _copy_of(path, path.name)
    _decode(path, target, found)
    notes = []
    if found.codec != UTF_8:
        note = f"{path.name} was read as {name_of(found.codec)} and is written as UTF-8"
        if found.others:
            others = ", ".join(map(name_of, found.others))
            note += f"; it could be {others} as well (--encoding NAME chooses)"
        notes.append(note)
    if found.old_mac:
        notes.append(f"{path.name} has old Mac line endings; the copy has line feeds")
    return NormalFile(target, path.name, tuple(notes))


def _codec(name: str) -> str:
    """Return Python's name of a text encoding."""
    try:
        found = codecs.lookup(name)
        "".encode(name)
    except (LookupError, ValueError):
        raise ScaffoldError(
            f"There is no encoding {name!r}.",
            where="--encoding",
            fix="utf-8, windows-1252, utf-16, shift_jis, gb18030 or another that Python knows",
        ) from None
    return found.name


def _decode(path: Path, target: Path, found: Encoding) -> None:
    assert found.codec is not None
    decoder = codecs.getincrementaldecoder(found.codec)()
    lines = 1
    with open_bytes(path, Meter()) as stream, _written(target) as out:
        while True:
            block = stream.read(CHUNK)
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                at = lines + error.object[: error.start].count(b"\n")
                raise ScaffoldError(
                    f"The file is not {name_of(found.codec)}: "
                    f"byte 0x{error.object[error.start]:02x}.",
                    where=f"{shown(path)}:{at}",
                    fix="name its encoding with --encoding, or save it as UTF-8",
                ) from None
            lines += text.count("\n")
            out.write((text.replace("\r", "\n") if found.old_mac else text).encode())
            if not block:
                return


def _with_header(found: NormalFile, source: Path, sheet: str | None) -> NormalFile:
    """Return a copy whose columns are named by their position."""
    if format_of(source) is workbook.WORKBOOK:
        return _sheet(found, source, sheet, header=False)
    delimiter, before, first = delimited.first_record(found.path)
    names = delimited.column_names([""] * len(first))
    target = _copy_of(source, source.name, lines=1)
    with open_bytes(found.path, Meter()) as stream, _written(target) as out:
        out.write(b"".join(stream.readline() for _ in range(before)))
        out.write(f"{delimiter.join(names)}\n".encode())
        while block := stream.read(CHUNK):
            out.write(block)
    return NormalFile(target, found.name, (*found.notes, _named(source.name, names)))


def _has_row_names(path: Path) -> bool:
    """Return whether each row begins with its number, and the header has no name for it."""
    records = format_of(path).records
    first, *rows = list(islice(records(path), LOOKED_AT + 1) if records else ()) or [[]]
    if len(rows) < 2 or any(len(row) != len(first) + 1 for row in rows):
        return False
    numbers = [int(row[0]) for row in rows if re.fullmatch(r"\d{1,18}", row[0])]
    return len(numbers) == len(rows) and all(a < b for a, b in pairwise(numbers))


def _with_row_names(found: NormalFile, source: Path) -> NormalFile:
    """Return a copy whose header names the column of row numbers, too."""
    delimiter, before, first = delimited.first_record(found.path)
    name = next(name for name in ("row", "row_number", "row_number_") if name not in first)
    target = _copy_of(source, source.name)
    with open_bytes(found.path, Meter()) as stream, _written(target) as out:
        out.write(b"".join(stream.readline() for _ in range(before)))
        out.write(f"{name}{delimiter}".encode())
        while block := stream.read(CHUNK):
            out.write(block)
    note = f"{source.name} has a number before each row, as R writes it: column {name}"
    return NormalFile(target, found.name, (*found.notes, note))


def _sheet(found: NormalFile, source: Path, sheet: str | None, *, header: bool) -> NormalFile:
    """Return a sheet's rows as JSON lines: no other file can be told which sheet is meant."""
    stem = re.sub(r"(?i)\.xls[xm](\.gz)?$", "", source.name)
    name = plain_name(f"{stem}-{sheet}.jsonl" if sheet else f"{stem}.jsonl")
    target, names = Path(tempfile.mkdtemp(dir=_scratch().name), name), [""]
    with _written(target) as out:
        for line, (number, values) in enumerate(
            workbook.rows(source, Meter(), sheet, header=header), 1
        ):
            if line == 1:
                name_copy(target, source, line - number)
            names = list(values)
            out.write(json.dumps(values, ensure_ascii=False).encode() + b"\n")
    notes = [*found.notes, f"the rows of {source.name} are written as {name}"]
    if not header:
        notes.insert(0, _named(source.name, names))
    return NormalFile(target, name, tuple(notes))


def _named(file: str, names: list[str]) -> str:
    listed = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
    return (
        f"{file} has no header: its columns are called {listed} "
        "(--header if its first row does name them)"
    )


@cache
def _scratch() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="phi3scaffold-")  # goes when this process ends


def _copy_of(source: Path, name: str, lines: int = 0) -> Path:
    """Return a path for a copy; messages name it as `source`, `lines` lines further up."""
    target = Path(tempfile.mkdtemp(dir=_scratch().name), name)
    name_copy(target, source, lines)
    return target


@contextmanager
def _written(target: Path) -> Iterator[IO[bytes]]:
    """Open a file for writing, packed where its name says so."""
    with target.open("wb") as file:
        if not is_gz(target):
            yield file
            return
        with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
            yield packed  # type: ignore[misc]
