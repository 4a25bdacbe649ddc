"""The report of `migrate`: every field once, at its line; first what needs attention."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from phi3scaffold.migration import FieldOutcome, MigrationPlan, OldConfig
    from phi3scaffold.migration.field_verdicts import OliveVerdict

LONGEST = 60  # characters of a value


def lines(old: OldConfig, plan: MigrationPlan, width: int) -> Iterator[str]:
    """Yield the whole report; lines of more than `width` columns are broken."""
    fields = plan.outcomes
    look = [one for one in fields if one.look]
    rest = [one for one in fields if not one.look]
    counts = {
        fate: sum(one.fate == fate for one in fields)
        for fate in ("kept", "renamed", "moved", "dropped", "unknown")
    }
    fates = ", ".join(f"{number} {fate}" for fate, number in counts.items() if number)
    yield from _wrapped(f"{old.path}: {len(fields)} fields: {fates}", "", width)
    if look or old.notes:
        yield "\nLook at these:"
        remarks = [([note.line], note.text) for note in old.notes]
        for why in dict.fromkeys(one.why for one in look):
            same = [one for one in look if one.why == why]
            remarks.append(([one.line for one in same], f"{_and(same)} {same[0].fate}: {why}"))
        for numbers, text in sorted(remarks):
            yield from _numbered(numbers, text, width)
    yield from _places([one for one in rest if one.at], width)
    yield from _dropped([one for one in rest if not one.at], width)
    if plan.added:
        yield "\nAdded:"
        for text in plan.added:
            yield from _wrapped(text, "  ", width)
    yield ""


def _places(fields: list[FieldOutcome], width: int) -> Iterator[str]:
    """Yield the fields that have a place now, file by file; unchanged ones in one paragraph."""
    by_file = sorted(fields, key=lambda one: (_file(one), one.line))
    for file, group in groupby(by_file, _file):
        ones = list(group)
        unchanged = [one for one in ones if one.fate == "kept" and not one.why]
        yield f"\n{'Options of `new`' if file == '--' else file}:"
        if unchanged:
            text = ", ".join(f"{_key(one)} = {short(one.value)} ({one.line})" for one in unchanged)
            yield from _wrapped(f"kept: {text}", "  ", width)
        others = sorted((one for one in ones if one not in unchanged), key=lambda one: one.at)
        shown = []
        for _, same in groupby(others, lambda one: one.at):
            every = list(same)
            why = "; ".join(dict.fromkeys(one.why for one in every if one.why))
            text = (
                f"{_and(every)} -> {_key(every[0])}{_equals(every[0])}{f' ({why})' if why else ''}"
            )
            shown.append(([one.line for one in every], text))
        for numbers, text in sorted(shown):
            yield from _numbered(numbers, text, width)


def _dropped(fields: list[FieldOutcome], width: int) -> Iterator[str]:
    if fields:
        yield "\nDropped:"
    for why in dict.fromkeys(one.why for one in fields):
        ones = [one for one in fields if one.why == why]
        names = ", ".join(f"{_last(one.name)} ({one.line})" for one in ones)
        yield from _wrapped(f"{why}: {names}", "  ", width)


def _file(one: FieldOutcome) -> str:
    return "--" if one.at.startswith("--") else one.at.partition(": ")[0]


def _key(one: FieldOutcome) -> str:
    key = one.at.partition(": ")[2] or one.at
    return key.removeprefix("passes.finetune.").removeprefix("training_args.")


def _last(name: str) -> str:
    """Return the field's own name; the levels above it are clear from its line."""
    return name.rpartition(".")[2]


def _and(fields: list[FieldOutcome]) -> str:
    return ", ".join(dict.fromkeys(_last(one.name) for one in fields))


def _equals(one: FieldOutcome) -> str:
    if one.at.startswith("--"):
        return f" {one.value}"
    if ": files." in one.at and isinstance(one.value, (str, list)):
        paths = one.value if isinstance(one.value, list) else [one.value]
        return f": the rows of {', '.join(paths)}"
    return f" = {short(one.value)}"


def short(value: Any) -> str:
    """Return a value on one line; turns as dataset.yaml has them."""
    if hasattr(value, "assistant"):
        turns = f"user {value.user!r}, assistant {value.assistant!r}"
        return f"{turns}, system {value.system!r}" if value.system else turns
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST or "://" in text else f"{text[: LONGEST - 3]}..."


def verdicts(old: OldConfig, by_path: Mapping[Any, OliveVerdict], width: int) -> Iterator[str]:
    """Yield what Olive does with each field; `!` marks those that it silently ignores."""
    read = [leaf for leaf in old.leaves if by_path[leaf.path].kind == "read"]
    for leaf in old.leaves:
        verdict = by_path[leaf.path]
        if leaf not in read:
            mark = "!" if verdict.silent else " "
            reason = f": {verdict.message}" if verdict.message else ""
            text = f"{mark} {leaf.line:>3}  {leaf.name} {verdict.kind}{reason}"
            yield from _wrapped(text, "", width, " " * 7)
    if read:
        names = ", ".join(f"{_last(leaf.name)} ({leaf.line})" for leaf in read)
        yield from _wrapped(f"read: {names}", "  ", width)
    for note in old.notes:
        yield from _numbered([note.line], note.text, width)


def _numbered(numbers: Iterable[int], text: str, width: int) -> Iterator[str]:
    shown = ",".join(map(str, dict.fromkeys(numbers)))
    yield from _wrapped(text, f"  {shown:>3}  ", width, " " * 7)


def _wrapped(text: str, indent: str, width: int, below: str = "    ") -> Iterator[str]:
    yield from textwrap.wrap(
        text, width, initial_indent=indent, subsequent_indent=below,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
