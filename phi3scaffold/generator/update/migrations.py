"""What moved between versions: template/migrations.yaml, the only place that says so.

Nothing in it is run. A moved file and a renamed key are brought to today's names on both sides
of the merge, so that what the user did to them goes along.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import yaml

from phi3scaffold.generator import template
from phi3scaffold.generator.bundle import key
from phi3scaffold.generator.template import ANSWERS
from phi3scaffold.generator.update.trees import TreeEntry
from phi3scaffold.project.files import read_yaml
from phi3scaffold.project.yaml_text import compose_yaml, load_yaml


@dataclass(frozen=True)
class Addition:
    """A key that a file of the user's gets, below a top-level key and behind another one.

    Attributes: as in template/migrations.yaml.
    """

    file: str
    under: str
    after: str
    key: str
    value: str
    note: str

    def insert(self, data: bytes) -> bytes:
        """Return the YAML text with the key in it, where it is missing; keep every character."""
        try:
            return self._inserted(data.decode("utf-8")).encode()
        except (UnicodeDecodeError, yaml.YAMLError, StopIteration):
            return data

    def _inserted(self, text: str) -> str:
        content, root = load_yaml(text), compose_yaml(text)
        if not isinstance(content, dict) or not isinstance(content.get(self.under), dict):
            return text
        if self.key in content[self.under] or self.after not in content[self.under]:
            return text
        assert isinstance(root, yaml.MappingNode)
        mapping = _value_of(root, self.under)
        last = _last_leaf(_value_of(mapping, self.after))
        end, entry = last.end_mark.index, f"{self.key}: {self.value}"
        if mapping.flow_style:
            new = f"{text[:end]}, {entry}{text[end:]}"
        else:
            line = re.compile(r"[^\r\n]*").match(text, end)
            assert line is not None
            newline = "\r\n" if "\r\n" in text else "\n"
            indent = " " * mapping.start_mark.column
            new = f"{text[: line.end()]}{newline}{indent}{entry}{text[line.end() :]}"
        content[self.under][self.key] = load_yaml(self.value)
        return new if load_yaml(new) == content else text


def _value_of(mapping: yaml.MappingNode, key: str) -> Any:
    return next(value for name, value in mapping.value if name.value == key)


def _last_leaf(node: Any) -> Any:
    """Return what ends where `node` ends: a block's own mark stands before the next token."""
    while not isinstance(node, yaml.ScalarNode) and not node.flow_style and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    return node


@dataclass(frozen=True)
class Tables:
    """The rows of migrations.yaml between two versions.

    Attributes:
        moves: (old path, new path), in order.
        keys: (file, old key, new key), in order; the file by its newest path.
        additions: new keys, in order.
    """

    moves: tuple[tuple[str, str], ...] = ()
    keys: tuple[tuple[str, str, str], ...] = ()
    additions: tuple[Addition, ...] = ()

    def answers(self, answers: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answers under the names that questions have today."""
        names = dict(answers)
        for file, old, new in self.keys:
            if file == ANSWERS and old in names:
                names.setdefault(new, names.pop(old))
        return names

    def rewrite(self, path: str, entry: TreeEntry) -> TreeEntry:
        """Rewrite a YAML or JSON file to today's keys; keep values, comments and order."""
        data = entry.data
        for file, old, new in self.keys:
            if file == path and path != ANSWERS and entry.is_text:
                there = rb"""(?m)^([ \t]*(?:- )?["']?)%s(["']?[ \t]*:)"""
                if not re.search(there % re.escape(new.encode()), data):
                    data = re.sub(
                        there % re.escape(old.encode()), rb"\g<1>%s\g<2>" % new.encode(), data
                    )
        for addition in self.additions:
            if addition.file == path and entry.is_text:
                data = addition.insert(data)
        return replace(entry, data=data)

    def note(self, path: str) -> str:
        """Return what to say where a file got a new key; "" where it got none."""
        found = [one for one in self.additions if one.file == path]
        return " ".join(
            f"{path} now says {one.under}.{one.key}: {one.value}. {one.note}" for one in found
        )


def between(old: str, new: str) -> Tables:
    """Return the rows of the versions after `old` up to `new`."""
    path = template.folder() / "migrations.yaml"
    content = read_yaml(path) if path.is_file() else {}

    def rows(name: str) -> list[dict[str, str]]:
        found = [row for row in content.get(name) or [] if key(old) < key(row["in"]) <= key(new)]
        return sorted(found, key=lambda row: key(row["in"]))

    added = [{k: v for k, v in row.items() if k != "in"} for row in rows("additions")]
    return Tables(
        tuple((row["from"], row["to"]) for row in rows("files")),
        tuple((row["file"], row["from"], row["to"]) for row in rows("keys")),
        tuple(Addition(**row) for row in added),
    )
