"""Set values in the text of a JSON or YAML file, every other character as it was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def with_settings(text: str, settings: Mapping[tuple[str, ...], Any]) -> str:
    """Return `text` with values set: path of keys -> value.

    A key that is missing goes to the end of its mapping; a missing mapping is made.
    """
    import yaml  # for which JSON is YAML

    root: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    assert root is not None
    edits: list[tuple[int, int, str]] = []  # from, to, what stands there then
    added: dict[int, tuple[Any, dict[str, Any]]] = {}
    for path, value in settings.items():
        node, rest = _deepest(root, path)
        if not rest:
            written = _written(value, block=not root.flow_style)
            edits.append((node.start_mark.index, node.end_mark.index, written))
            continue
        for key in reversed(rest[1:]):
            value = {key: value}
        added.setdefault(id(node), (node, {}))[1][rest[0]] = value
    for node, keys in added.values():
        last_key, last = node.value[-1]
        indent = " " * last_key.start_mark.column
        block = not node.flow_style
        line = "\n{}{}: {}" if block else ',\n{}"{}": {}'
        lines = [line.format(indent, key, _written(value, block)) for key, value in keys.items()]
        edits.append((last.end_mark.index, last.end_mark.index, "".join(lines)))
    for start, end, replaced in sorted(edits, reverse=True):
        text = text[:start] + replaced + text[end:]
    return text


def _deepest(node: Any, path: tuple[str, ...]) -> tuple[Any, tuple[str, ...]]:
    """Return the deepest node on `path` that is there, and the keys that are missing below it."""
    for depth, key in enumerate(path):
        below = {one.value: value for one, value in node.value}
        if key not in below:
            return node, path[depth:]
        node = below[key]
    return node, ()


def _written(value: Any, block: bool) -> str:
    """Return a value as JSON, which YAML reads too; in a block without quotes where it may be."""
    import yaml

    if block and isinstance(value, str):
        try:
            if yaml.safe_load(value) == value and "\n" not in value:
                return value
        except yaml.YAMLError:
            pass
    return json.dumps(value, ensure_ascii=False)
