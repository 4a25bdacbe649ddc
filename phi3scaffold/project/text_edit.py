"""Set values in the text of a JSON or YAML file, every other character as it was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from phi3scaffold.project.yaml_text import compose_yaml


def with_settings(text: str, settings: Mapping[tuple[str, ...], Any]) -> str:
    """Return `text` with values set: path of keys -> value.

    A key that is missing goes to the end of its mapping; a missing mapping is made.
    """
    root: Any = compose_yaml(text.replace("\t", " "))  # JSON is YAML, but for its tabs
    assert root is not None
    newline = "\r\n" if "\r\n" in text else "\n"
    edits: list[tuple[int, int, str]] = []  # from, to, what stands there then
    added: dict[int, tuple[Any, bool, int, dict[str, Any]]] = {}
    for path, value in settings.items():
        node, rest, block, indent = _deepest(root, path)
        if not rest:
            start, end = node.start_mark.index, _end(text, node)
            is_quoted = getattr(node, "style", None) in ('"', "'")
            written = _written(value, block and not is_quoted)
            edits.append((start, end, written if start < end else f" {written}"))
            continue
        for key in reversed(rest[1:]):
            value = {key: value}
        added.setdefault(id(node), (node, block, indent, {}))[3][rest[0]] = value
    for node, block, indent, keys in added.values():
        edits.append(_addition(text, node, block, indent, keys, newline))
    for start, end, replaced in sorted(edits, reverse=True):
        text = text[:start] + replaced + text[end:]
    return text


def _addition(
    text: str, node: Any, block: bool, indent: int, keys: Mapping[str, Any], newline: str
) -> tuple[int, int, str]:
    """Return the edit that adds keys to the end of a mapping, or fills what is empty."""
    if not isinstance(node.value, list) or not node.value:  # null, or {}
        start, end = node.start_mark.index, node.end_mark.index
        if not block or start < end:
            return start, end, json.dumps(dict(keys), ensure_ascii=False)
        lines = [
            f"{newline}{'':{indent}}{key}: {_written(one, block)}" for key, one in keys.items()
        ]
        return start, end, "".join(lines)
    last_key, last = node.value[-1]
    blanks = " " * last_key.start_mark.column
    end = _end(text, last)
    if not block:
        lines = [
            f',{newline}{blanks}"{key}": {_written(value, block)}' for key, value in keys.items()
        ]
        return end, end, "".join(lines)
    line_end = text.find("\n", end)  # behind a comment
    end = len(text) if line_end < 0 else line_end - text[:line_end].endswith("\r")
    lines = [f"{newline}{blanks}{key}: {_written(value, block)}" for key, value in keys.items()]
    return end, end, "".join(lines)


def _deepest(root: Any, path: tuple[str, ...]) -> tuple[Any, tuple[str, ...], bool, int]:
    """Return the deepest node on `path` that is there, and the keys that are missing below it.

    Beside them: whether it stands in no braces, and the column of keys below it.
    """
    node, block, indent = root, not root.flow_style, 0
    for depth, key in enumerate(path):
        pairs = node.value if isinstance(node.value, list) else []
        found = next((pair for pair in pairs if pair[0].value == key), None)
        if found is None:
            return node, path[depth:], block, indent
        indent = found[0].start_mark.column + 2
        node = found[1]
        block = block and not getattr(node, "flow_style", False)
    return node, (), block, indent


def _end(text: str, node: Any) -> int:
    """Return where a node ends: PyYAML counts the comments behind a block in."""
    while getattr(node, "flow_style", None) is False and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    start, end = node.start_mark.index, node.end_mark.index
    return (
        max(int(start), len(text[:end].rstrip()))
        if getattr(node, "style", None) in ("|", ">")
        else int(end)
    )


def _written(value: Any, block: bool) -> str:
    """Return a value as JSON, which YAML reads too; in a block without quotes where it may be."""
    import yaml

    if block and isinstance(value, str):
        try:
            if yaml.safe_load(value) == value and "\n" not in value:
                return value
        except yaml.YAMLError:
            pass
    if isinstance(value, float) and "." not in (text := json.dumps(value)):
        return text.replace("e", ".0e")  # 1e-05 is a text to YAML
    return json.dumps(value, ensure_ascii=False)
