"""A turn's template: the columns it names, and a row's values put in their places."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

Message = dict[str, Any]  # role and content are texts; tool_calls are a list
Tool = dict[str, Any]  # the definition of a tool
COLUMN = re.compile(r"\{([^{}\n]+)\}")


@lru_cache(maxsize=64)
def columns_of(template: str) -> tuple[str, ...]:
    """Return the columns a turn names, in order, each once."""
    return tuple(dict.fromkeys(COLUMN.findall(template)))


def fill(template: str, values: Mapping[str, str]) -> str:
    """Put the columns into the turn; braces that name no column stay as they are.

    A line of which nothing is left, since its columns are empty, disappears: an optional column
    may have a line of its own.
    """
    lines = []
    for line in template.split("\n"):
        filled = COLUMN.sub(lambda m: values.get(m[1], m[0]), line)
        if filled.strip() or not line.strip():
            lines.append(filled)
    return "\n".join(lines)
