"""Tracked runs side by side: runs come in; the settings in which they differ and lines go out."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from phi3scaffold.project.formatting import cut, decimal_size, duration, perplexity, rate
from phi3scaffold.project.setting_names import short_name
from phi3scaffold.search.tracked_store import StoredRun

# Not a choice of the user's, or as good as in others.
NO_SETTINGS = ("phi3scaffold",)
STATES = {"FAILED": "failed", "KILLED": "killed", "RUNNING": "running"}
VERDICTS = {True: "yes", False: "no", None: ""}
WIDEST = 22  # letters of a setting's value in the table
MEASURES = {"accuracy": "accuracy", "rouge_l": "ROUGE-L"}
LOSS = "finetune/validation_loss"
Value = TypeVar("Value")
Difference = tuple[Value | None, Value | None]


def differing(runs: Sequence[StoredRun]) -> list[str]:
    """Return the names of the settings in which runs differ, those of training first."""
    names = dict.fromkeys(name for run in runs for name in run.settings)
    found = [
        name
        for name in names
        if name not in NO_SETTINGS and len({run.settings.get(name) for run in runs}) > 1
    ]
    return sorted(found, key=lambda name: (not short_name(_key(name)), name))


def _key(name: str) -> str:
    """Return the key of a setting's name: ``r`` of ``finetune.r``."""
    return name.rpartition(".")[2]


def title(name: str, names: Sequence[str]) -> str:
    """Return what a setting is called among others: as short as it is clear."""
    key = _key(name)
    if sum(_key(one) == key for one in names) > 1:
        return name
    return short_name(key) or key


def table(runs: Sequence[StoredRun], width: int) -> list[str]:
    """Return the lines of a table; settings stand below a run where they do not fit beside it."""
    names = differing(runs)
    head, *rows = _measures(runs)
    settings = [[title(name, names) for name in names]]
    settings += [[cut(run.settings.get(name, "-"), WIDEST) for name in names] for run in runs]
    wide = _aligned([[*row, *more] for row, more in zip([head, *rows], settings, strict=True)])
    if max(map(len, wide)) <= width:
        return wide
    narrow = _aligned([head, *rows])
    lines = [narrow[0]]
    for line, run in zip(narrow[1:], runs, strict=True):
        lines.append(line)
        text = ", ".join(f"{title(name, names)} {run.settings.get(name, '-')}" for name in names)
        lines += textwrap.wrap(
            text, width, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False
        )
    return lines


def _measures(runs: Sequence[StoredRun]) -> list[list[str]]:
    """Return the head and the cells of each run, without columns that nobody fills."""
    rows = []
    for run in runs:
        row = {"#": str(run.number), "started": run.when}
        for name, label in MEASURES.items():
            row[label] = _cell(run.measure(name), lambda value: f"{value:.1%}")
        row["perplexity"] = _cell(run.measure("perplexity"), perplexity)
        row["loss"] = _cell(run.metrics.get(LOSS), lambda value: f"{value:.3f}")
        row["size"] = _cell(run.measure("disk_MiB"), lambda value: decimal_size(value * 2**20))
        row["tok/s"] = _cell(run.measure("tokens_per_second"), rate)
        row["time"] = _cell(run.seconds, duration)
        row["released"] = STATES.get(run.status, VERDICTS[run.released])
        rows.append(row)
    filled = [name for name in rows[0] if any(row[name] for row in rows)]
    return [filled, *([row[name] for name in filled] for row in rows)]


def _cell(value: float | None, write: Callable[[float], str]) -> str:
    return "" if value is None else write(value)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines: cells below each other, measures to the right."""
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]  # fmt: skip


def differences(
    one: Mapping[str, Value], other: Mapping[str, Value]
) -> dict[str, Difference[Value]]:
    """Return name -> both values, of what differs."""
    names = dict.fromkeys((*one, *other))
    return {
        name: (one.get(name), other.get(name))
        for name in names
        if one.get(name) != other.get(name)
    }  # fmt: skip
