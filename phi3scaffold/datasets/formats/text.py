"""What the text formats share: lines, limits, and errors that name the line.

No row may be larger than `LARGEST`: a quote or a bracket that is never closed must not swallow
the memory along with the file.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any

from phi3scaffold.datasets.formats.byte_stream import Meter, open_bytes, shown
from phi3scaffold.datasets.formats.encodings import encoding_of, name_of
from phi3scaffold.datasets.formats.format import OnError, place_of, refuse
from phi3scaffold.project.errors import ScaffoldError

LARGEST = 16 << 20  # bytes or characters of one row
BOM = "\ufeff"


def lines_of(
    stream: IO[bytes], file: Path, on_error: OnError = refuse
) -> Iterator[tuple[int, str]]:
    """Read the lines of a text, numbered from 1, without their line breaks and the BOM.

    Args:
        stream: the text.
        file: its name in messages.
        on_error: takes the errors of lines that are no UTF-8 or larger than `LARGEST`.
    """
    cut = False  # within a line that was too large
    number = 0
    for line in iter(partial(stream.readline, LARGEST + 1), b""):
        within, cut = cut, not line.endswith(b"\n")
        if within:
            continue
        number += 1
        if len(line) > LARGEST:
            on_error(too_large(file, number))
            continue
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            on_error(wrong_byte(file, number, line[error.start]))
            continue
        text = text.removesuffix("\n").removesuffix("\r")
        yield number, text.removeprefix(BOM) if number == 1 else text


def too_large(file: Path, line: int) -> ScaffoldError:
    return ScaffoldError(
        f"The row is larger than {LARGEST >> 20} MiB.",
        where=place_of(file, line),
        fix="check for a missing quote, bracket or line end; otherwise shorten the row",
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
    codec = encoding_of(file).codec if file.is_file() else None
    what = f"The file is not UTF-8: byte 0x{byte:02x}"
    return ScaffoldError(
        f"{what}; it seems to be {name_of(codec)}." if codec else f"{what}.",
        where=place_of(file, line),
        fix=_conversion(file, codec),
    )


def _conversion(file: Path, codec: str | None) -> str:
    """Return how a file becomes UTF-8."""
    fix = "save it as UTF-8 (Excel: CSV UTF-8)"
    if codec and codec != "utf-8":
        fix += f", or convert it: iconv -f {name_of(codec)} -t UTF-8 {file.name} > utf8-{file.name}"
    return fix


UTF_16 = "UTF-16 text"
OTHER_KINDS = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"PAR1": "a parquet file",
    b"\x1f\x8b": "a gz file",
    b"\xff\xfe": UTF_16,
    b"\xfe\xff": UTF_16,
    b"SQLite": "a database",
    b"\xd0\xcf\x11\xe0": "an old or an encrypted Office file",
}


def refuse_other_kinds(file: Path, stream: io.BufferedReader[Any]) -> None:
    """Refuse a file whose first bytes show that it is something else than its name says."""
    first = stream.peek(8)
    for mark, kind in OTHER_KINDS.items():
        if first.startswith(mark):
            raise ScaffoldError(
                f"The file is {kind}, not {'UTF-8' if kind == UTF_16 else 'what its name says'}.",
                where=shown(file),
                fix=_conversion(file, "utf-16")
                if kind == UTF_16
                else "export it as csv or jsonl, or give it the ending it should have",
            )
