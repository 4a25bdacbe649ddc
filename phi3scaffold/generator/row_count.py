"""How many rows a new project will train on, before they are prepared."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from phi3scaffold.datasets.reader import Reading
from phi3scaffold.datasets.split import AUTO, auto_rows
from phi3scaffold.generator.row_source import RowSource
from phi3scaffold.project.errors import ScaffoldError

MOST = 50_000  # rows that are counted; with more the defaults of training are the same


def training_rows(source: RowSource) -> int:
    """Return the training rows, before duplicates are dropped; 0 where they lie on the hub."""
    names = source.answer["train"]
    files = [
        path
        for name, path in source.files.items()
        if name in names or name.partition("/")[0] in names
    ]
    total = _count(files)
    held_out, validation = source.answer["held_out"], source.answer["validation"]
    free = total - (round(held_out * total) if isinstance(held_out, float) else 0)
    return free - (auto_rows(total, free) if validation == AUTO else 0)


def _count(files: Sequence[Path]) -> int:
    rows = 0
    try:
        for _ in islice(Reading(files, on_error=lambda _error: None), MOST) if files else ():
            rows += 1
    except ScaffoldError:  # that a file is broken further below is for `data` to say
        pass
    return rows
