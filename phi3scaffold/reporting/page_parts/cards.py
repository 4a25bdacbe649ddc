"""Cards in the hub's format: Markdown behind YAML, by huggingface_hub, from templates here.

What a user wrote is escaped by the filter `plain`, so that it stays text in Markdown and in HTML.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from phi3scaffold.project.formatting import count, cut, share, visible

MARKS = re.compile(r"([\\`*_\[\]<>#|~&$])")
LONGEST = 200  # letters of a user's text


def plain(text: Any) -> str:
    """A text on one line in which no character means anything to Markdown."""
    words = " ".join(visible(cut(str(text), LONGEST), lines=True).split())
    return MARKS.sub(r"\\\1", words)


def quoted(text: str) -> str:
    """A text told apart from those beside it: it may hold a comma."""
    return f"“{text}”"


def literal(text: str) -> str:
    """A text as Python's code for it."""
    return json.dumps(text, ensure_ascii=False)


def write(card: Any, data: Any, template: str, path: Path, **values: Any) -> None:
    """Fill `template` (a file of this folder) and write it below the YAML of `data`.

    Args:
        card: ModelCard or DatasetCard of huggingface_hub.
        data: its ModelCardData or DatasetCardData.
        template: the file's name.
        path: the card.
        values: what the template names.
    """
    body = render(template, **values)
    text = str(card(f"---\n{data.to_yaml()}\n---\n\n{body}", ignore_metadata_errors=False))
    path.write_text(text.rstrip() + "\n", encoding="utf-8", newline="\n")


def render(template: str, **values: Any) -> str:
    """Fill `template`, a file of this folder, with what it names."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters = {"count": count, "share": share, "plain": plain, "quoted": quoted, "literal": literal}
    environment.filters |= filters
    return environment.get_template(template).render(**values)


def table(
    columns: tuple[str, ...], rows: Sequence[tuple[str, ...]], *, numbers: bool = True
) -> str:
    """A table of cells that are escaped already; `numbers`: all but the first column are some."""
    lines = [columns, ("---", *("---:" if numbers else "---" for _ in columns[1:])), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
