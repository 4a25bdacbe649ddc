"""Write cards in the hub's format: Markdown after YAML, by huggingface_hub, from templates/.

What a user wrote is escaped by the filter `plain`, so that it stays text in Markdown and in HTML.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from phi3scaffold.project.formatting import count, cut, share, visible
from phi3scaffold.reporting.pages import TEMPLATES

MARKS = re.compile(r"([\\`*_\[\]<>#|~&$])")
LONGEST = 200  # letters of a user's text


def plain(text: Any) -> str:
    """Return a text on one line in which no character means anything to Markdown."""
    words = " ".join(visible(cut(str(text), LONGEST), lines=True).split())
    return MARKS.sub(r"\\\1", words)


def quoted(text: str) -> str:
    """Return a text in quotes: it may hold a comma."""
    return f"“{text}”"


def literal(text: str) -> str:
    """Return a text as a literal of Python."""
    return json.dumps(text, ensure_ascii=False)


def write(card: Any, data: Any, template: str, path: Path, **values: Any) -> None:
    """Fill `template` and write it below the YAML of `data`.

    Args:
        card: ModelCard or DatasetCard of huggingface_hub.
        data: its ModelCardData or DatasetCardData.
        template: a file of templates/.
        path: the card.
        values: what the template names.
    """
    body = render(template, **values)
    text = str(card(f"---\n{data.to_yaml()}\n---\n\n{body}", ignore_metadata_errors=False))
    path.write_text(text.rstrip() + "\n", encoding="utf-8", newline="\n")


def render(template: str, **values: Any) -> str:
    """Return `template`, a file of templates/, filled with what it names."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters = {"count": count, "share": share, "plain": plain, "quoted": quoted, "literal": literal}
    environment.filters |= filters
    return environment.get_template(template).render(**values)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: bool = True) -> str:
    """Return a table of escaped cells; `numbers`: all columns but the first hold numbers."""
    lines = [columns, ("---", *("---:" if numbers else "---" for _ in columns[1:])), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
