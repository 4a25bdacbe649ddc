"""Rows of csv and tsv: (line, values), one at a time."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

from phi3scaffold.datasets.formats.byte_stream import Meter, open_bytes, unpacked_name
from phi3scaffold.datasets.formats.encodings import UTF_8, encoding_of
from phi3scaffold.datasets.formats.format import (
    Format,
    NewCells,
    OnError,
    Rows,
    free_names,
    place_of,
    refuse,
)
from phi3scaffold.datasets.formats.swallowed_rows import SwallowedRows
from phi3scaffold.datasets.formats.text import BOM, LARGEST, refuse_other_kinds, too_large
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.formatting import count

MARKS = "\t,;|"
RULE = re.compile(r"[-+|=: ]*-{3}[-+|=: ]*")  # between the header and the rows of a drawn table
COUNT = re.compile(r"\(\d+ rows?\)")  # below such a table
BACKSLASH = re.compile(r"\\\"")
FORMULA = re.compile(r"[=+@\t\r-]")  # how one begins, in the usual spreadsheets
NUMBER = re.compile(r"[+-]?[\d.,]+(e[+-]?\d+)?\s*%?", re.IGNORECASE)
SEPARATOR = re.compile(r'(?i)"?sep=(\t|[^\w\s"])"?')  # Excel's own first line, in some countries


def delimited(file: Path, meter: Meter, on_error: OnError = refuse, *, delimiter: str = "") -> Rows:
    """Read rows of delimited text.

    Args:
        on_error: takes the errors of rows that have too few fields, or too many.
        delimiter: "" where the first line shows it: a comma, a semicolon, a tab or a bar; or by
            Excel's ``sep=;``.
    """
    csv.field_size_limit(LARGEST)  # of this process; the default would refuse a long text
    with open_bytes(file, meter) as stream:
        delimiter, _, found = _records(file, stream, delimiter)
        header = None
        for line, record in found:
            if not any(record):  # spreadsheets end with such
                continue
            if header is None:
                header = _header(record, file, line)
                swallowed = SwallowedRows(len(header), delimiter)
            elif len(record) == len(header):
                if rows := swallowed.in_record(record):
                    on_error(_swallowed(file, line, rows))
                    continue
                yield line, dict(zip(header, record, strict=True))
            else:
                on_error(_ragged(file, line, record, header, delimiter))


def _records(
    file: Path, stream: io.BufferedReader[Any], delimiter: str
) -> tuple[str, int, Iterator[tuple[int, list[str]]]]:
    """Return the delimiter, how many lines speak of it, and the records with their lines."""
    csv.field_size_limit(LARGEST)  # of this process; the default would refuse a long text
    refuse_other_kinds(file, stream)
    lines = _lines(file, io.TextIOWrapper(stream, encoding="utf-8-sig", newline=""))
    numbered = enumerate(lines, 1)
    begin, first = next(((n, line) for n, line in numbered if line.strip()), (1, ""))
    above = 0
    if excel := SEPARATOR.fullmatch(first.rstrip("\r\n")):
        delimiter, above = excel[1], begin
        begin, first = next(((n, line) for n, line in numbered if line.strip()), (1, ""))
    second = next(lines, "")
    delimiter = delimiter or _delimiter(first, second)
    reader = csv.reader(
        chain([first, second], lines),
        delimiter=delimiter,
        strict=True,
        skipinitialspace=_is_spaced(first, delimiter),
    )

    def numbered_records(begin: int) -> Iterator[tuple[int, list[str]]]:
        before = begin - 1
        try:
            for record in reader:
                line, begin = begin, before + reader.line_num + 1
                yield line, record
        except csv.Error as error:
            raise _not_delimited(file, begin, reader.line_num, str(error)) from None

    return delimiter, above, numbered_records(begin)


def _lines(file: Path, stream: io.TextIOWrapper) -> Iterator[str]:
    for number, line in enumerate(iter(partial(stream.readline, LARGEST + 1), ""), 1):
        if len(line) > LARGEST:
            raise too_large(file, number)
        yield line


def _delimiter(header: str, below: str) -> str:
    """Return the mark that splits the first line into the most columns without cutting quotes.

    Of several the one that splits the line below alike.
    """

    def cells(line: str, mark: str) -> list[str]:
        return next(csv.reader([line], delimiter=mark), [])

    def fitness(mark: str) -> tuple[bool, int, bool]:
        names = cells(header, mark)
        whole = not any('"' in name for name in names)
        return whole, len(names), len(names) == len(cells(below, mark))

    mark = max(MARKS, key=fitness)  # the first of equals
    return mark if fitness(mark)[1] > 1 else ","


def _is_spaced(header: str, delimiter: str) -> bool:
    """Return whether a space follows each delimiter: a quote behind it begins a field, too."""
    names = next(csv.reader([header], delimiter=delimiter), [])[1:]
    return bool(names) and all(name.startswith(" ") for name in names)


def column_names(cells: Sequence[str]) -> list[str]:
    """Return the names of columns; one without a name is called by its position.

    pandas leaves the name of its index empty, and spreadsheets end lines with empty cells.

    >>> column_names(["", "text", "label", ""])
    ['column_1', 'text', 'label', 'column_4']
    """
    names = [cell.strip() for cell in cells]
    for position, name in enumerate(names, 1):
        if not name:
            own = f"column_{position}"
            names[position - 1] = own if own not in names else f"{own}_"
    return names


def _header(record: list[str], file: Path, line: int) -> list[str]:
    where = place_of(file, line)
    if all(len(name) > 1 and name[0] == name[-1] == "'" for name in record):
        raise ScaffoldError(
            "The fields are in single quotes, which would be read as part of them.",
            where=where,
            fix='use double quotes: pandas.read_csv(FILE, quotechar="\'") reads this one',
        )
    stripped = [name.strip() for name in record]
    named = stripped[: max((n for n, name in enumerate(stripped, 1) if name), default=0)]
    if "" in named[1:] or (len(record) > 2 and sum(map(bool, named)) < 2):
        raise ScaffoldError(
            f"Column {stripped.index('', 1) + 1} has no name.",
            where=where,
            fix="the first line must name every column: remove what is above that line",
        )
    return unique_names(file, line, column_names(record))


def unique_names(file: Path, line: int, names: list[str]) -> list[str]:
    """Return the names; refuse one that two columns have."""
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ScaffoldError(
            f"Two columns are called {twice!r}.",
            where=place_of(file, line),
            fix="rename or remove one of them",
        )
    return names


def records(file: Path, delimiter: str = "") -> Iterator[list[str]]:
    """Yield the header and the rows below it, each as its cells."""
    with open_bytes(file, Meter()) as stream:
        _, _, found = _records(file, stream, delimiter)
        yield from (record for _, record in found if any(record))


def first_record(file: Path) -> tuple[str, int, list[str]]:
    """Return the delimiter, how many lines stand above the header, and the header's cells."""
    delimiter = "\t" if unpacked_name(file.name).endswith(TSV.endings) else ""
    with open_bytes(file, Meter()) as stream:
        delimiter, above, found = _records(file, stream, delimiter)
        return delimiter, above, next(record for _, record in found if any(record))


def add_columns(
    file: Path, target: Path, columns: Sequence[str], cells: NewCells, *, delimiter: str = ""
) -> None:
    """Write the file's own text, with more fields at the end of each record.

    Encoding, quotes, line ends and empty lines stay. What the encoding cannot write makes it UTF-8.
    """
    csv.field_size_limit(LARGEST)  # of this process; the default would refuse a long text
    codec = encoding_of(file).codec or UTF_8
    codec = UTF_8 if codec == "utf-8-sig" else codec  # the mark is copied with the text
    for written in (codec, "utf-8-sig"):
        try:
            with (
                open_bytes(file, Meter()) as stream,
                target.open("w", encoding=written, newline="") as out,
            ):
                text = io.TextIOWrapper(stream, encoding=codec, newline="")
                out.writelines(_with_fields(text, columns, cells, delimiter))
            return
        except UnicodeEncodeError:  # an answer has letters that the file's encoding lacks
            continue


def _no_formula(cell: Any) -> Any:
    """Return a new cell's value; a text that a spreadsheet would run gets an apostrophe in front.

    A row can make a model answer `=HYPERLINK(...)`, which sends the neighbouring cells elsewhere.
    """
    runs = isinstance(cell, str) and FORMULA.match(cell) and not NUMBER.fullmatch(cell)
    return f"'{cell}" if runs else cell


def _with_fields(
    text: io.TextIOWrapper, columns: Sequence[str], cells: NewCells, delimiter: str
) -> Iterator[str]:
    taken: list[str] = []  # the lines of the record at hand

    def lines() -> Iterator[str]:
        for line in text:
            taken.append(line)
            yield line.removeprefix(BOM)

    source = lines()
    while (first := next(source, "")) and not first.strip():
        pass
    if excel := SEPARATOR.fullmatch(first.rstrip("\r\n")):
        delimiter = excel[1]
        while (first := next(source, "")) and not first.strip():
            pass
    yield from taken[:-1]  # what stands above the header
    del taken[:-1]
    second = next(source, "")
    delimiter = delimiter or _delimiter(first, second)
    held = taken[1:]
    del taken[1:]

    def once_more() -> Iterator[str]:
        yield first
        for line in held:
            taken.append(line)
            yield line.removeprefix(BOM)
        yield from source

    spaced = _is_spaced(first, delimiter)
    reader = csv.reader(once_more(), delimiter=delimiter, strict=True, skipinitialspace=spaced)
    header: list[str] | None = None
    number = 0
    for record in reader:
        raw = "".join(taken)
        taken.clear()
        if not any(record):
            yield raw
            continue
        if header is None:
            header, added = record, list[Any](free_names(columns, column_names(record)))
        else:
            number += 1
            added = [_no_formula(cell) for cell in cells(number)]
        body = raw.rstrip("\r\n")
        missing = delimiter * max(0, len(header) - len(record))
        buffer = io.StringIO()
        csv.writer(buffer, delimiter=delimiter).writerow(["", *added])  # a lone "" gets quotes
        fields = buffer.getvalue().removesuffix("\r\n")
        if spaced:
            fields = f"{delimiter} {fields[1:]}"
        yield f"{body}{missing}{fields}{raw[len(body) :] or chr(10)}"


def _ragged(
    file: Path, line: int, record: list[str], header: list[str], delimiter: str
) -> ScaffoldError:
    mark = "a tab" if delimiter == "\t" else repr(delimiter)
    fix = f"put quotes around a field that holds {mark}, or add what is missing"
    if RULE.fullmatch(delimiter.join(record)) or COUNT.fullmatch(record[0]):
        fix = "remove the line: it is not a row, but part of a table drawn for the screen"
    elif len(record) == len(header) + 1 and record[0].isdigit():
        fix += f"; if each row begins with its number, put a name and {mark} before the header"
    elif len(header) == 1:
        fix = "the first line must name every column: remove what is above that line"
    return ScaffoldError(
        f"The row has {count(len(record), 'field')}, the header {len(header)}.",
        where=place_of(file, line),
        fix=fix,
    )


def _swallowed(file: Path, line: int, rows: int) -> ScaffoldError:
    return ScaffoldError(
        f"A quote opens here and closes {rows + 1} lines below: it would make one field of "
        f"{count(rows + 2, 'row')}.",
        where=place_of(file, line),
        fix='remove the quote, or close it; inside quotes, a quote is written twice ("")',
    )


def _not_delimited(file: Path, line: int, last: int, error: str) -> ScaffoldError:
    if "field larger" in error:
        return too_large(file, line)
    if "end of data" in error:
        error = "a quote is opened and never closed"
    elif BACKSLASH.search(_lines_between(file, line, last)):
        return ScaffoldError(
            "A quote has a backslash before it, as MySQL writes it; CSV has no such escape.",
            where=place_of(file, line),
            fix='inside quotes, write a quote twice (""): pandas.read_csv(FILE, escapechar="\\\\") '
            'reads this one, and .to_csv("rows.csv", index=False) rewrites it',
        )
    return ScaffoldError(
        f"Not valid {Path(unpacked_name(file.name)).suffix[1:]}: {error}.",
        where=place_of(file, line),
        fix='close the quote; inside quotes, a quote is written twice ("")',
    )


def _lines_between(file: Path, first: int, last: int) -> str:
    with open_bytes(file, Meter()) as stream:
        return b"".join(islice(stream, first - 1, last)).decode("utf-8", "replace")


CSV = Format(
    (".csv",), delimited, by_lines=True, is_text=True, records=records, add_columns=add_columns
)
TSV = Format(
    (".tsv",),
    partial(delimited, delimiter="\t"),
    by_lines=True,
    is_text=True,
    records=partial(records, delimiter="\t"),
    add_columns=partial(add_columns, delimiter="\t"),
)
