"""Every data format that is read. A new one is a file beside this one and its name in `FORMATS`."""

from __future__ import annotations

import re
from itertools import islice
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
_UNPACK = "unpack it, and name the file or the folder"
_TABLE = "export the table as CSV with a header line: sqlite3 -header -csv FILE 'SELECT ...'"
_R = 'write it as CSV: write.csv(rows, "rows.csv", row.names = FALSE)'
_STATISTICS = 'export it as CSV, or write it with pandas and df.to_parquet("rows.parquet")'
_TEXT = (
    "Texts without columns",
    "write a CSV or JSON lines (.jsonl) with two columns, such as text and label, or question and "
    "answer; a table in it needs only the ending .csv or .tsv",
)
_TAGGED = (
    "Files with a tag for each word",
    "only labels for whole texts can be learned: for each sentence, write a row with its text and "
    "the answer that you want (the marked words, for example)",
)
_PREFIXED = (
    "Files that begin each line with __label__",
    "write a CSV with two columns, text and label",
)
TAGGED_LINE = re.compile(r"\S+(?:[ \t]+\S+)*[ \t]+(?:O|[BIESLU]-\S+)")
PREFIXED_LINE = re.compile(r"__label__\S.*")
LINES, MOST = 50, 0.8  # of a text that are looked at; of them that say what it is
_PAGES = "copy its texts into a table: a CSV with a text and its label or answer in each row"
# What people have instead: ending -> kind, and what to do.
OTHERS = {
    ".xls": ("Old Excel workbooks", _SAVE),
    ".xlsb": ("Binary workbooks", _SAVE),
    ".ods": ("OpenDocument sheets", _SAVE),
    ".numbers": ("Apple Numbers sheets", "export it as .xlsx, or as CSV"),
    ".arrow": ("Arrow files", 'write it with dataset.to_parquet("rows.parquet")'),
    ".feather": ("Feather files", _PARQUET),
    ".pkl": ("Pickles, which can run code,", _PARQUET),
    **dict.fromkeys((".zip", ".tar", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar"),
                    ("Archives", _UNPACK)),
    **dict.fromkeys((".txt", ".text", ".md", ".data", ".dat"), _TEXT),
    **dict.fromkeys((".conll", ".conllu", ".bio", ".iob", ".iob2"), _TAGGED),
    ".tab": ("Tables with this ending", "give it the ending .tsv"),
    ".psv": ("Tables with this ending", "give it the ending .csv: bars between fields are read"),
    **dict.fromkeys((".pdf", ".docx", ".doc", ".odt", ".rtf", ".html", ".htm", ".epub"),
                    ("Documents", _PAGES)),
    **dict.fromkeys((".eml", ".mbox", ".msg"), ("Emails", _PAGES)),
    **dict.fromkeys((".db", ".sqlite", ".sqlite3"), ("Databases", _TABLE)),
    ".sql": ("Database dumps", "load it, and export the table as CSV with a header line"),
    **dict.fromkeys((".rds", ".rdata", ".rda"), ("R files", _R)),
    **dict.fromkeys((".sav", ".dta", ".sas7bdat"), ("Files from statistics programs", _STATISTICS)),
    **dict.fromkeys((".yaml", ".yml", ".xml", ".toml"),
                    ("Nested texts", "write their rows as JSON lines, one object per line")),
    **dict.fromkeys((".orc", ".avro", ".h5", ".hdf5"), ("Files of this kind", _PARQUET)),
}  # fmt: skip
# Files that lie beside data files and hold no rows.
BESIDE = re.compile(
    r"dataset\.ya?ml|dataset_(?:infos?|dict)\.json|state\.json|(?:readme|licen[cs]e)\b.*|.*\.md"
    r"|.*\.(?:py|ipynb|sh|toml|cfg|lock)|requirements.*\.txt|thumbs\.db|desktop\.ini",
    re.I,
)


def endings() -> tuple[str, ...]:
    """Return the endings of all formats."""
    return tuple(ending for one in FORMATS for ending in one.endings)


def endings_text() -> str:
    """Return the endings as messages list them."""
    return f"{', '.join(endings())}, each also with .gz"


def _text_kind(file: Path) -> tuple[str, str]:
    """Return what the lines of a text are, and what to do with them."""
    try:
        with file.open(encoding="utf-8", errors="replace") as text:
            lines = [line.strip() for line in islice(text, LINES)]
    except OSError:  # packed, or only a name
        return _TEXT
    lines = [line for line in lines if line and not line.startswith("-DOCSTART-")]
    for kind, form in ((_TAGGED, TAGGED_LINE), (_PREFIXED, PREFIXED_LINE)):
        if lines and sum(form.fullmatch(line) is not None for line in lines) >= MOST * len(lines):
            return kind
    return _TEXT


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
        kind, fix = _text_kind(file) if OTHERS[ending] == _TEXT else OTHERS[ending]
        what = f"{kind} ({ending}) are not supported."
        raise ScaffoldError(what, where=shown(file), fix=fix)
    raise ScaffoldError(
        f"Files of kind {ending!r} are not supported."
        if ending
        else "The file's name has no ending that says what is in it.",
        where=shown(file),
        fix=f"one of: {endings_text()}",
    )
