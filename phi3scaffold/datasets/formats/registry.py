"""Every data format that is read. A new one is a file beside this one and its name in `FORMATS`."""

from __future__ import annotations

import re
from pathlib import Path

from phi3scaffold.datasets.formats.byte_stream import shown, unpacked_name
from phi3scaffold.datasets.formats.delimited import CSV, TSV
from phi3scaffold.datasets.formats.format import Format
from phi3scaffold.datasets.formats.json import JSON, JSON_LINES
from phi3scaffold.datasets.formats.parquet import PARQUET
from phi3scaffold.datasets.formats.workbook import WORKBOOK
from phi3scaffold.project.errors import ScaffoldError

FORMATS: tuple[Format, ...] = (JSON_LINES, JSON, CSV, TSV, PARQUET, WORKBOOK)
_SAVE = "open it and save it as .xlsx, or as CSV UTF-8"
_PARQUET = 'write it with df.to_parquet("rows.parquet")'
# What people have instead: ending -> kind, and what to do.
OTHERS = {
    ".xls": ("Workbooks of old Excels", _SAVE),
    ".xlsb": ("Binary workbooks", _SAVE),
    ".ods": ("OpenDocument sheets", _SAVE),
    ".numbers": ("Sheets of Apple Numbers", "export it as .xlsx, or as CSV"),
    ".arrow": ("Arrow files", 'write it with dataset.to_parquet("rows.parquet")'),
    ".feather": ("Feather files", _PARQUET),
    ".pkl": ("Pickles, which can run code,", _PARQUET),
    ".zip": ("Archives", "unpack it, and name the file or the folder"),
}
# Files that lie beside data files and hold no rows.
BESIDE = re.compile(r"dataset\.ya?ml|dataset_infos?\.json|(readme|licen[cs]e)\b.*|.*\.md", re.I)


def endings() -> tuple[str, ...]:
    """Return the endings of all formats."""
    return tuple(ending for one in FORMATS for ending in one.endings)


def endings_text() -> str:
    """Return the endings as messages list them."""
    return f"{', '.join(endings())}, each also with .gz"


def is_data_file(name: str) -> bool:
    """Return whether a file of this name is read: by its ending, with or without .gz."""
    return unpacked_name(name).endswith(endings())


def format_of(file: Path) -> Format:
    """Return the format that a file's ending names.

    Raises:
        ScaffoldError: it names none.
    """
    ending = Path(unpacked_name(file.name)).suffix
    for one in FORMATS:
        if ending in one.endings:
            return one
    if ending in OTHERS:
        kind, fix = OTHERS[ending]
        what = f"{kind} ({ending}) are not read."
        raise ScaffoldError(what, where=shown(file), fix=fix)
    raise ScaffoldError(
        f"Files of kind {ending!r} are not read."
        if ending
        else "The file's name has no ending that says what is in it.",
        where=shown(file),
        fix=f"one of: {endings_text()}",
    )
