"""project.yaml, dataset.yaml and model.lock have only known keys, with values that these can have.

A key that nobody reads is a setting without effect: `evaluate.row` measures as many rows as ever.
Values are judged by the same code that reads them in a run: targets, limits of the gate, adapters,
what is fetched from Azure, columns, splits, labels.

To mend it: the message names the key that is nearest, or the values that there are. `--fix` renames
a key where only one is near and it is not there yet.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Any

from phi3scaffold.checks.lint_context import DATASET, Change, Document, Tree
from phi3scaffold.checks.verdict import Verdict
from phi3scaffold.datasets import spec
from phi3scaffold.evaluation.limits import LIMITS, project_limits
from phi3scaffold.evaluation.metrics import RENAMED
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.key_locations import Key, dotted
from phi3scaffold.project.settings import KEYS, MARKER
from phi3scaffold.targets.azureml import workspace_settings as azure

ID = "L03-settings"
AZURE = {*azure.SOURCES, *azure.OTHERS}
GATE = (*LIMITS, *(old for old, new in RENAMED.items() if new in LIMITS))


def check(tree: Tree) -> Iterator[Verdict]:
    for name in (MARKER, DATASET):
        document = tree.document(name)
        if document is None:
            continue
        unknown = list(_unknown(document))
        for path, known in unknown:
            near = _nearest(path, known, document)
            fix = f"did you mean {near}? " if near else ""
            what = f"Nothing reads the key {path[-1]!r}."
            said = f"{fix}Known here: {', '.join(known)}"
            yield Verdict(ID, "error", what, document.at(*path), said)
        if name == MARKER or not unknown:
            told = {document.at(*path) for path, _ in unknown}
            yield from (one for one in _values(tree, name) if one.where not in told)
    yield from _lock(tree)


def _values(tree: Tree, name: str) -> Iterator[Verdict]:
    readers = (_read_azure, _read_gate) if name == MARKER else (_read_spec,)
    for error in tree.refused if name == MARKER else ():
        yield tree.verdict(ID, error)
    for read in readers:
        try:
            read(tree)
        except ScaffoldError as error:
            yield tree.verdict(ID, error)


def _read_spec(tree: Tree) -> None:
    spec.load_spec(tree.root / DATASET)


def _read_azure(tree: Tree) -> None:
    document = tree.document(MARKER)
    own = document.get("azure") if document else None
    if own is not None and not (isinstance(own, dict) and set(own) - AZURE):
        azure.check_own(own, tree.root / MARKER)


def _read_gate(tree: Tree) -> None:
    if tree.project is not None:
        project_limits(tree.project)


def _lock(tree: Tree) -> Iterator[Verdict]:
    from phi3scaffold.models.model_lock import read_lock

    try:
        read_lock(tree.root / "model.lock")
    except ScaffoldError as error:
        yield tree.verdict(ID, error)


def _unknown(document: Document) -> Iterator[tuple[Key, tuple[str, ...]]]:
    """Each key that nobody reads, with those that are known in its place."""
    content = document.content
    if document.name == DATASET:
        yield from _beside(content, (), spec.KEYS)
        yield from _beside(content.get("files"), ("files",), spec.FILES_KEYS)
        yield from _beside(content.get("messages"), ("messages",), spec.MESSAGES_KEYS)
        return
    yield from _beside(content, (), tuple(KEYS))
    for section, known in {**KEYS, "azure": tuple(AZURE), "gate": GATE}.items():
        if known:
            yield from _beside(content.get(section), (section,), known)


def _beside(value: Any, at: Key, known: tuple[str, ...]) -> Iterator[tuple[Key, tuple[str, ...]]]:
    for key in value if isinstance(value, dict) else ():
        if key not in known:
            yield (*at, str(key)), known


def _nearest(path: Key, known: tuple[str, ...], document: Document) -> str | None:
    """The known key that is meant, where it is not there already."""
    there = document.get(*path[:-1]) or {}
    near = difflib.get_close_matches(str(path[-1]), known, 1)
    return near[0] if near and near[0] not in there else None


def fix(tree: Tree) -> Iterator[Change]:
    """Rename each key whose nearest known one is not there yet."""
    for name in (MARKER, DATASET):
        document = tree.document(name)
        text = tree.text(name)
        if document is None or text is None:
            continue
        lines = text.splitlines(keepends=True)
        told = []
        for path, known in _unknown(document):
            near, number = _nearest(path, known, document), document.places.lines.get(path)
            if near is None or number is None:
                continue
            key = re.escape(str(path[-1]))
            line, count = re.subn(
                rf"""(^\s*|[{{,]\s*)(["']?){key}\2(?=\s*:)""",
                rf"\1{near}",
                lines[number - 1],
                count=1,
            )
            if count:
                lines[number - 1] = line
                told.append(f"{dotted(path)} is now {near}")
        if told:
            yield Change(name, "".join(lines), "; ".join(told))
