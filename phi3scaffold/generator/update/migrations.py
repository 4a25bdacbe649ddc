"""What moved between versions: template/migrations.yaml, the only place that says so.

Nothing in it is run. A moved file and a renamed key are brought to today's names on both sides
of the merge, so that what the user did to them goes along.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from phi3scaffold.generator import template
from phi3scaffold.generator.bundle import key
from phi3scaffold.generator.update.trees import TreeEntry
from phi3scaffold.project.files import read_yaml

ANSWERS = ".copier-answers.yml"


@dataclass(frozen=True)
class Tables:
    """The rows of migrations.yaml between two versions.

    Attributes:
        moves: (old path, new path), in order.
        keys: (file, old key, new key), in order; the file by its newest path.
    """

    moves: tuple[tuple[str, str], ...] = ()
    keys: tuple[tuple[str, str, str], ...] = ()

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
        return replace(entry, data=data)


def between(old: str, new: str) -> Tables:
    """Return the rows of the versions after `old` up to `new`."""
    path = template.folder() / "migrations.yaml"
    content = read_yaml(path) if path.is_file() else {}

    def rows(name: str) -> list[dict[str, str]]:
        found = [row for row in content.get(name) or [] if key(old) < key(row["in"]) <= key(new)]
        return sorted(found, key=lambda row: key(row["in"]))

    return Tables(
        tuple((row["from"], row["to"]) for row in rows("files")),
        tuple((row["file"], row["from"], row["to"]) for row in rows("keys")),
    )
