"""Make the project of a plan: the generator's `new`, then the user's own settings."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from phi3scaffold.datasets.detection import Guess
from phi3scaffold.generator.new import complete, new
from phi3scaffold.generator.row_source import (
    HELD_OUT_FRACTION,
    RowSource,
    plain_name,
    sample_rows,
    user_rows,
)
from phi3scaffold.migration.fields import DATASET, REGISTRY
from phi3scaffold.migration.plan import HELD_OUT, MODEL, TRAIN, TURNS, MigrationPlan
from phi3scaffold.migration.text_edit import with_settings
from phi3scaffold.models.column_templates import columns_of
from phi3scaffold.project.errors import ScaffoldError

SAMPLES = "qa"
# What `new` writes by itself, from its answers and from the rows.
WRITTEN = (MODEL, TRAIN, HELD_OUT, TURNS, REGISTRY)


def migrate(
    plan: MigrationPlan,
    destination: Path,
    *,
    git: bool = True,
    wheel: bool = True,
    say: Callable[[str], None] = lambda _line: None,
) -> dict[str, Any]:
    """Make the project, whole or not at all; return its answers.

    Raises:
        ScaffoldError: an answer, the rows or the destination is refused.
    """
    source = _source(plan)
    for line in source.lines():
        say(line)
    share, held_out = plan.values.get(HELD_OUT), source.answer["held_out"]
    if isinstance(share, float) and held_out != share:
        say(f"held out are {', '.join(held_out)}, and no share of {share:g}")
    answers = {**plan.answers, "task": source.task}
    new(
        destination, answers, data=source, git=git, wheel=wheel, say=say,
        amend=lambda root: amend(root, plan),
    )  # fmt: skip
    return complete(answers)


def _source(plan: MigrationPlan) -> RowSource:
    task, held_out = plan.answers.get("task"), plan.values.get(HELD_OUT)
    if plan.cloud:
        return _from_cloud(plan, plan.cloud)
    if plan.data is None:
        source = sample_rows(task or SAMPLES)
        return replace(source, summary=f"sample rows: {source.summary}")
    turns = (plan.turns.user, plan.turns.assistant) if plan.turns else None
    source = user_rows(plan.data, task, turns, part=plan.part)
    if held_out is None:
        return source
    if isinstance(held_out, float):
        if not isinstance(source.answer["held_out"], float):
            return source  # a split of its own is better than a share
        return replace(source, answer=source.answer | {"held_out": held_out})
    held = user_rows(held_out, source.task, turns)
    files = {
        f"held-out-{name}" if name in source.files else name: p for name, p in held.files.items()
    }
    answer = source.answer | {"held_out": list(files)}
    return replace(source, answer=answer, files={**source.files, **files})


def _from_cloud(plan: MigrationPlan, address: str) -> RowSource:
    """Describe rows that only the job sees, by what the old file says about them."""
    task, turns = plan.answers.get("task", "qa"), plan.turns
    assert turns is not None
    if task != "qa":
        raise ScaffoldError(
            f"A task {task} needs a look at the rows, and they are in the cloud.",
            where="--task",
            fix="--task qa, or --data with a copy of them",
        )
    name = plain_name(unquote(address.rpartition("/")[2]))
    found = Guess("qa", "", tuple(columns_of(turns.user)), turns.user, turns.assistant)
    answer = found.answer([name], plan.values.get(HELD_OUT, HELD_OUT_FRACTION))
    summary = f"the rows stay in Azure: {address}; the job finds them as {name}"
    return RowSource("qa", answer, summary)


def amend(root: Path, plan: MigrationPlan) -> None:
    """Write the settings that no option of `new` asks for."""
    files: dict[str, dict[tuple[str, ...], Any]] = {}
    for at, value in plan.values.items():
        file, colon, key = at.partition(": ")
        if colon and at not in WRITTEN:
            files.setdefault(file, {})[tuple(key.split("."))] = value
    if plan.turns and plan.turns.system and (plan.data or plan.cloud):
        files.setdefault(DATASET.removesuffix(": "), {})["system",] = plan.turns.system
    for name, settings in files.items():
        path = root / name
        text = with_settings(path.read_text(encoding="utf-8"), settings)
        path.write_text(text, encoding="utf-8", newline="\n")
    if REGISTRY in plan.values:
        path = root / REGISTRY.partition(": ")[0]
        text = path.read_text(encoding="utf-8")
        known = r"(?<=#   path: )azureml:\S+"
        text = re.sub(known, lambda _: plan.values[REGISTRY], text)
        path.write_text(text, encoding="utf-8", newline="\n")
