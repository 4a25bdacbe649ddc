"""project.yaml, dataset.yaml and model.lock have only known keys with valid values.

An unknown key is a setting without effect: `evaluate.row` does not change how many rows are
measured. Values are checked by the code that reads them in a run: targets, limits of the gate,
adapters, settings of a target in the cloud, columns, splits, labels.

To fix it: the message names the nearest key, or the values that are allowed. `--fix` renames a key
where only one is near and not yet set.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from phi3scaffold.checks.lint_context import DATASET, Document, FileChange, LintContext
from phi3scaffold.datasets import message_format, spec
from phi3scaffold.evaluation.limits import LIMITS, project_limits
from phi3scaffold.evaluation.metrics import RENAMED
from phi3scaffold.models.model_lock import read_lock
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.findings import Finding
from phi3scaffold.project.key_locations import Key, dotted
from phi3scaffold.project.layout import PROJECT_FILE
from phi3scaffold.project.near_names import near_names
from phi3scaffold.project.settings import KEYS
from phi3scaffold.targets.base import Target
from phi3scaffold.targets.registry import TARGETS

ID = "L03-settings"
GATE = (*LIMITS, *(old for old, new in RENAMED.items() if new in LIMITS))


def check(context: LintContext) -> Iterator[Finding]:
    for name in (PROJECT_FILE, DATASET):
        document = context.document(name)
        if document is None:
            continue
        unknown = list(_unknown(document))
        for path, known in unknown:
            near = _nearest(path, known, document)
            fix = f"did you mean {near}? " if near else ""
            what = f"Nothing reads the key {path[-1]!r}."
            advice = f"{fix}Known here: {', '.join(known)}"
            yield Finding(ID, "error", what, document.at(*path), advice)
        if name == PROJECT_FILE or not unknown:
            wrong = {document.at(*path) for path, _ in unknown}
            yield from (one for one in _values(context, document) if one.where not in wrong)
    yield from _read(context, lambda: read_lock(context.root / "model.lock"))


def _read(context: LintContext, reader: Callable[[], object]) -> Iterator[Finding]:
    """Yield the error with which a run's own reader refuses its file."""
    try:
        reader()
    except ScaffoldError as error:
        yield context.finding(ID, error)


def _values(context: LintContext, document: Document) -> Iterator[Finding]:
    if document.name == DATASET:
        yield from _read(context, lambda: spec.load_spec(context.root / DATASET))
        return
    for error in context.errors:
        yield context.finding(ID, error)
    yield from _read(context, lambda: _check_sections(document, context.root / PROJECT_FILE))
    project = context.project
    if project is not None:
        yield from _read(context, lambda: project_limits(project))


def _check_sections(document: Document, path: Path) -> None:
    for section, (target, known) in _sections().items():
        content = document.get(section)
        if content is not None and not (isinstance(content, dict) and set(content) - {*known}):
            target.check_section(content, path)


def _unknown(document: Document) -> Iterator[tuple[Key, tuple[str, ...]]]:
    """Yield each key that nobody reads, with those that are known in its place."""
    content = document.content
    if document.name == DATASET:
        yield from _beside(content, (), spec.KEYS)
        yield from _beside(content.get("files"), ("files",), spec.FILES_KEYS)
        yield from _beside(content.get("messages"), ("messages",), message_format.MESSAGES_KEYS)
        return
    sections = {name: known for name, (_, known) in _sections().items()}
    yield from _beside(content, (), (*KEYS, *sections))
    for section, known in {**KEYS, **sections, "gate": GATE}.items():
        if known:
            yield from _beside(content.get(section), (section,), known)


def _sections() -> dict[str, tuple[Target, tuple[str, ...]]]:
    """Return section of project.yaml -> a target that reads it, and the keys that it knows."""
    return {one.section[0]: (one, one.section[1]) for one in TARGETS.values() if one.section}


def _beside(value: Any, at: Key, known: tuple[str, ...]) -> Iterator[tuple[Key, tuple[str, ...]]]:
    for key in value if isinstance(value, dict) else ():
        if key not in known:
            yield (*at, str(key)), known


def _nearest(path: Key, known: tuple[str, ...], document: Document) -> str | None:
    """Return the known key that is meant, where it is not there already."""
    there = document.get(*path[:-1]) or {}
    near = near_names(str(path[-1]), known)
    return near[0] if near and near[0] not in there else None


def fix(context: LintContext) -> Iterator[FileChange]:
    """Rename each key whose nearest known one is not there yet."""
    for name in (PROJECT_FILE, DATASET):
        document = context.document(name)
        text = context.text(name)
        if document is None or text is None:
            continue
        lines = text.splitlines(keepends=True)
        renames = []
        for path, known in _unknown(document):
            near, number = _nearest(path, known, document), document.places.lines.get(path)
            if near is None or number is None:
                continue
            pattern = rf"""(^\s*|[{{,]\s*)(["']?){re.escape(str(path[-1]))}\2(?=\s*:)"""
            line, count = re.subn(pattern, rf"\1{near}", lines[number - 1], count=1)
            if count:
                lines[number - 1] = line
                renames.append(f"{dotted(path)} is now {near}")
        if renames:
            yield FileChange(name, "".join(lines), "; ".join(renames))
