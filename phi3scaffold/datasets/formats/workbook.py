"""Rows of Excel workbooks: one sheet, whose first row that is filled names the columns."""

from __future__ import annotations

import io
import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, Any

from phi3scaffold.datasets.cell_text import cell_text
from phi3scaffold.datasets.formats.byte_stream import Meter, is_gz, open_bytes, shown
from phi3scaffold.datasets.formats.delimited import column_names, unique_names
from phi3scaffold.datasets.formats.format import Format, NewCells, Rows, free_names, place_of
from phi3scaffold.project.errors import ScaffoldError

UNPACKED = 512 << 20  # bytes; a million rows of a hundred letters are half of that
SUSPECT, RATIO = 64 << 20, 100  # unpacked bytes from which on they may be no more times the packed
LAST_ROW = 1 << 20  # of Excel
# A formula whose value was not saved, as by a program that computes none; and merged cells.
FORMULA = re.compile(
    rb'<c r="([A-Z]+\d+)"([^<>]*)><f[^<>]*?(?:/>|>[^<]*</f>)(?:<v\s*/>|<v></v>)?</c>'
)
MERGED = re.compile(rb'<mergeCell ref="([A-Z]+)(\d+):([A-Z]+)(\d+)"')
BROKEN = (zipfile.BadZipFile, zlib.error, KeyError, ValueError, TypeError, SyntaxError)
SAVED_BADLY = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")  # no workbook holds them
ESCAPE = re.compile(r"_x[\dA-Fa-f]{4}_")
BLOCK, OVERLAP = 1 << 20, 1 << 16
Cells = list[Any]
Numbered = tuple[int, Cells]


def rows(file: Path, meter: Meter, sheet: str | None = None, *, header: bool = True) -> Rows:
    """Read the rows of a workbook's first visible sheet, or of the one that is named.

    The number of a row is the sheet's own. What a formula gave when the workbook was saved is its
    value; an error such as #N/A is a missing value.
    """
    size = file.stat().st_size
    with _opened(file) as (book, archive):
        page = _page(file, book, sheet)
        last = max(1, page.max_row or 1)
        _, head, filled = _header(page)
        if head is None:
            return
        number, cells = head
        merged = _merged(file, archive, page)
        if header:
            names = _names(file, number, cells, merged)
        else:
            names, filled = column_names([""] * len(cells)), chain([head], filled)
        for number, cells in filled:
            if len(cells) > len(names):
                names = column_names([*names, *[""] * (len(cells) - len(names))])
            meter.done = min(size, size * number // last)
            yield (
                number,
                dict(zip(names, [*cells, *[None] * (len(names) - len(cells))], strict=True)),
            )
        meter.done = size


def records(file: Path, sheet: str | None = None) -> Iterator[list[str]]:
    """Yield the header and the rows below it as texts."""
    with _opened(file) as (book, _):
        _, head, filled = _header(_page(file, book, sheet))
        width = len(head[1]) if head else 0
        for _, cells in chain([head] if head else [], filled):
            yield [cell_text(cell) or "" for cell in [*cells, *[None] * (width - len(cells))]]


def notes(file: Path, sheet: str | None = None) -> list[str]:
    """Say which other sheets there are, and what stands above the header."""
    with _opened(file) as (book, _):
        page = _page(file, book, sheet)
        titles = _header(page)[0]
        others = [name for name in _visible(book) if name != page.title]
        found = [
            f"row {number} ({title[-1]!r:.60}) is a title, not read" for number, title in titles
        ]
        if others:
            listed = ", ".join(repr(name) for name in others)
            found.append(
                f"sheet {page.title!r} is read, not {listed} "
                f"(--data '{file.name}#{others[0]}' reads another)"
            )
        return found


def add_columns(file: Path, target: Path, columns: Sequence[str], cells: NewCells) -> None:
    """Write the workbook with more columns on the sheet that is read; other sheets stay.

    openpyxl drops charts.
    """
    with _opened(file) as (book, _):
        page = _page(file, book, None)
        _, head, filled = _header(page)
        assert head is not None
        rows, title = [(number, len(row)) for number, row in filled], page.title
    import openpyxl

    with open_bytes(file, Meter()) as stream:
        copy = openpyxl.load_workbook(
            io.BytesIO(stream.read()), keep_vba=target.suffix.lower() == ".xlsm"
        )
    sheet = copy[title]
    first = max([len(head[1]), *(width for _, width in rows)]) + 1
    names = free_names(columns, column_names([cell_text(cell) or "" for cell in head[1]]))
    for place, name in enumerate(names):
        sheet.cell(head[0], first + place, name)
    for number, (row, _) in enumerate(rows, 1):
        for place, value in enumerate(cells(number)):
            cell = sheet.cell(row, first + place)
            cell.value = SAVED_BADLY.sub("", value) if isinstance(value, str) else value
            if isinstance(value, str):
                cell.data_type = "s"  # an answer that begins with = is no formula
    with target.open("wb") as out:
        copy.save(out)


@contextmanager
def _opened(file: Path) -> Iterator[tuple[Any, zipfile.ZipFile]]:
    """Open a workbook that unpacks to a size which the memory holds."""
    with tempfile.TemporaryFile() as unpacked, open_bytes(file, Meter()) as packed:
        stream: IO[bytes] = packed
        if is_gz(file):
            _unpack(file, packed, unpacked)
            stream = unpacked
        try:
            with zipfile.ZipFile(stream) as archive:
                _refuse_bomb(file, archive)
                book = _load(stream)
                try:
                    yield book, archive
                finally:
                    book.close()
        except BROKEN as error:
            raise _broken(file, error) from None


def _unpack(file: Path, packed: IO[bytes], unpacked: IO[bytes]) -> None:
    size = 0
    while block := packed.read(BLOCK):
        size += unpacked.write(block)
        if size > UNPACKED:
            raise _too_large(file, size)


def _load(stream: IO[bytes]) -> Any:
    import warnings

    import openpyxl

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on what it does not read: pictures, conditional formats
        return openpyxl.load_workbook(stream, read_only=True, data_only=True, keep_links=False)


def _broken(file: Path, error: Exception) -> ScaffoldError:
    with open_bytes(file, Meter()) as stream:
        office = stream.peek(8).startswith(b"\xd0\xcf\x11\xe0")
    return ScaffoldError(
        "The workbook has a password, or is an old .xls."
        if office
        else f"Not a valid workbook: {str(error).splitlines()[0].rstrip('.')}."
        if str(error)
        else "Not a valid workbook.",
        where=shown(file),
        fix="open it in a spreadsheet and save it as .xlsx without a password, or as CSV UTF-8",
    )


def _refuse_bomb(file: Path, archive: zipfile.ZipFile) -> None:
    """Refuse what unpacks to more than a workbook can hold: zipfile reads no more than is said."""
    parts = archive.infolist()
    size = sum(part.file_size for part in parts)
    packed = sum(part.compress_size for part in parts)
    if size > UNPACKED or (size > SUSPECT and size > RATIO * packed):
        raise _too_large(file, size)


def _too_large(file: Path, size: int) -> ScaffoldError:
    return ScaffoldError(
        f"The workbook unpacks to {size >> 20} MiB, more than can be read.",
        where=shown(file),
        fix="save its sheet as CSV UTF-8",
    )


def _visible(book: Any) -> list[str]:
    return [page.title for page in book.worksheets if page.sheet_state == "visible"]


def _page(file: Path, book: Any, sheet: str | None) -> Any:
    names = _visible(book)
    if sheet is None and names:
        page = book[names[0]]
    elif sheet in book.sheetnames and sheet in [page.title for page in book.worksheets]:
        page = book[sheet]
    else:
        raise ScaffoldError(
            f"The workbook has no sheet {sheet!r}." if sheet else "The workbook has no sheet.",
            where=shown(file),
            fix=f"one of: {', '.join(names)}" if names else "unhide the sheet that holds the rows",
        )
    page.reset_dimensions()  # some programs write A1 alone
    return page


def _header(page: Any) -> tuple[list[Numbered], Numbered | None, Iterator[Numbered]]:
    """Return titles of one cell, the row below them that names the columns, and all other rows."""
    filled = _filled(page)
    titles: list[Numbered] = []
    head = next(filled, None)
    for row in filled:
        if head is None or _count(head) > 1 or len(row[1]) <= len(head[1]):
            return titles, head, chain([row], filled)
        titles.append(head)
        head = row
    return titles, head, iter(())


def _count(row: Numbered) -> int:
    return sum(cell not in (None, "") for cell in row[1])


def _filled(page: Any) -> Iterator[Numbered]:
    """Yield the rows that are not empty, with their numbers, without empty cells at their end."""
    for number, row in enumerate(page.iter_rows(max_row=LAST_ROW), 1):
        cells = [_value(cell) for cell in row]
        while cells and cells[-1] in (None, ""):
            cells.pop()
        if cells:
            yield number, cells


def _value(cell: Any) -> Any:
    value = cell.value
    if value is None or cell.data_type == "e":
        return None
    if isinstance(value, str):
        return _unescaped(value) if "_x" in value else value
    return value if isinstance(value, (bool, int, float)) else cell_text(value)


def _unescaped(text: str) -> str:
    """Return a text with the control characters that a workbook writes as _x000D_."""
    return ESCAPE.sub(lambda match: chr(int(match[0][2:6], 16)), text)


def _names(
    file: Path, number: int, cells: Cells, merged: list[tuple[str, int, str, int]]
) -> list[str]:
    for first, top, last, bottom in merged:
        if top <= number <= bottom and first != last:
            raise ScaffoldError(
                f"A header cell spans the columns {first} to {last}.",
                where=place_of(file, number),
                fix="split it: the header must name every column in a cell of its own",
            )
    return unique_names(file, number, column_names([cell_text(cell) or "" for cell in cells]))


def _merged(file: Path, archive: zipfile.ZipFile, page: Any) -> list[tuple[str, int, str, int]]:
    """Return the merged cells of a sheet; refuse a formula without its value."""
    found = []
    with archive.open(page._worksheet_path) as stream:
        part = b""
        while block := stream.read(BLOCK):
            part = part[-OVERLAP:] + block
            for match in FORMULA.finditer(part) if b"<f" in part else ():
                if b't="str"' not in match[2]:  # an empty text is a value
                    raise ScaffoldError(
                        f"Cell {match[1].decode()} holds a formula without its value.",
                        where=shown(file),
                        fix="open the workbook in a spreadsheet and save it, which computes it",
                    )
            for first, top, last, bottom in MERGED.findall(part):
                found.append((first.decode(), int(top), last.decode(), int(bottom)))
    return found


WORKBOOK = Format((".xlsx", ".xlsm"), rows, notes=notes, records=records, add_columns=add_columns)
