"""The first rows of a new project's data: encoding, columns, and three values of each."""

from __future__ import annotations

import json
import shutil
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phi3scaffold.project.formatting import count, cut, visible

if TYPE_CHECKING:
    from phi3scaffold.generator.row_source import RowSource

ROWS = 3
MOST_COLUMNS = 12
NAME = 20  # columns of the terminal for a column's name


def preview(data: str | Path, source: RowSource) -> list[str]:
    """Return the lines that show the rows at a terminal; nothing of rows that stay on the hub."""
    rows = _first_rows(source)
    if not rows:
        return []
    names = list(rows[0])
    about = [count(len(names), "column"), _encoding(Path(data).expanduser())]
    lines = ["", f"{data}: {', '.join(filter(None, about))}; its first rows:"]
    width = shutil.get_terminal_size().columns
    wide = min(NAME, max(map(len, names)))
    each = max(12, (width - wide - 4) // len(rows) - 2)
    for name in names[:MOST_COLUMNS]:
        values = (cut(_text(row.get(name)), each).ljust(each) for row in rows)
        lines.append(f"  {cut(name, wide):<{wide}}  {'  '.join(values)}".rstrip())
    if more := len(names) - MOST_COLUMNS:
        lines += [f"  and {count(more, 'column')} more"] if more > 0 else []
    return [*lines, ""]


def column_names(source: RowSource) -> list[str]:
    """Return the columns of the first row; none of rows that stay on the hub."""
    return [name for row in _first_rows(source)[:1] for name in row]


def _first_rows(source: RowSource) -> list[dict[str, Any]]:
    from phi3scaffold.datasets.reader import Reading

    files = list(source.files.values())[:1]
    rows = islice(Reading(files, on_error=lambda _error: None), ROWS) if files else ()
    return [row.values for row in rows]


def _encoding(path: Path) -> str:
    from phi3scaffold.datasets.formats.encodings import encoding_of, name_of
    from phi3scaffold.datasets.formats.registry import format_of

    if not path.is_file() or not format_of(path).is_text:
        return ""
    codec = encoding_of(path).codec
    return name_of(codec) if codec else ""


def _text(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return visible(" ".join(text.split()))
