"""What `migrate` prints: every field once, at its line; first what somebody should look at."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from phi3scaffold.migration import FieldOutcome, MigrationPlan, OldConfig
    from phi3scaffold.migration.olive_probe import OliveVerdict

LONGEST = 60  # characters of a value


def lines(old: OldConfig, plan: MigrationPlan, width: int) -> Iterator[str]:
    """The whole report.

    Args:
        width: of the terminal; longer lines are broken.
    """
    fields = plan.outcomes
    look = [one for one in fields if one.look]
    rest = [one for one in fields if not one.look]
    counts = {
        fate: sum(one.fate == fate for one in fields)
        for fate in ("kept", "renamed", "moved", "dropped", "unknown")
    }
    told = ", ".join(f"{number} {fate}" for fate, number in counts.items() if number)
    yield from _wrapped(f"{old.path}: {len(fields)} fields: {told}", "", width)
    if look or old.notes:
        yield "\nLook at these:"
        found = [([note.line], note.text) for note in old.notes]
        for why in dict.fromkeys(one.why for one in look):
            same = [one for one in look if one.why == why]
            found.append(([one.line for one in same], f"{_and(same)} {same[0].fate}: {why}"))
        for numbers, text in sorted(found):
            yield from _numbered(numbers, text, width)
    yield from _places([one for one in rest if one.at], width)
    yield from _dropped([one for one in rest if not one.at], width)
    if plan.added:
        yield "\nAdded:"
        for text in plan.added:
            yield from _wrapped(text, "  ", width)
    yield ""


def _places(fields: list[FieldOutcome], width: int) -> Iterator[str]:
    """What stands somewhere now, file by file; what only kept its value, in one paragraph."""
    by_file = sorted(fields, key=lambda one: (_file(one), one.line))
    for file, group in groupby(by_file, _file):
        ones = list(group)
        kept = [one for one in ones if one.fate == "kept" and not one.why]
        yield f"\n{'Options of `new`' if file == '--' else file}:"
        if kept:
            told = ", ".join(f"{_key(one)} = {short(one.value)} ({one.line})" for one in kept)
            yield from _wrapped(f"kept: {told}", "  ", width)
        others = sorted((one for one in ones if one not in kept), key=lambda one: one.at)
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
    """What has no place, reason by reason."""
    if fields:
        yield "\nDropped:"
    for why in dict.fromkeys(one.why for one in fields):
        ones = [one for one in fields if one.why == why]
        told = ", ".join(f"{_last(one.name)} ({one.line})" for one in ones)
        yield from _wrapped(f"{why}: {told}", "  ", width)


def _file(one: FieldOutcome) -> str:
    return "--" if one.at.startswith("--") else one.at.partition(": ")[0]


def _key(one: FieldOutcome) -> str:
    key = one.at.partition(": ")[2] or one.at
    return key.removeprefix("passes.finetune.").removeprefix("training_args.")


def _last(name: str) -> str:
    """The field's own name; the levels above it are clear from its line."""
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
    """A value on one line; turns as dataset.yaml has them."""
    if hasattr(value, "assistant"):
        told = f"user {value.user!r}, assistant {value.assistant!r}"
        return f"{told}, system {value.system!r}" if value.system else told
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST or "://" in text else f"{text[: LONGEST - 3]}..."


def verdicts(old: OldConfig, found: Mapping[Any, OliveVerdict], width: int) -> Iterator[str]:
    """What Olive does with each field; `!`: it leaves it out and goes on."""
    read = [leaf for leaf in old.leaves if found[leaf.path].kind == "read"]
    for leaf in old.leaves:
        verdict = found[leaf.path]
        if leaf not in read:
            mark = "!" if verdict.silent else " "
            said = f"{verdict.kind}{': ' if verdict.said else ''}{verdict.said}"
            text = f"{mark} {leaf.line:>3}  {leaf.name} {said}"
            yield from _wrapped(text, "", width, " " * 7)
    if read:
        told = ", ".join(f"{_last(leaf.name)} ({leaf.line})" for leaf in read)
        yield from _wrapped(f"read: {told}", "  ", width)
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
