"""Make the project of a plan: the generator's `new`, then the user's own settings."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from phi3scaffold.generator.new import complete, new
from phi3scaffold.migration.fields import DATASET, REGISTRY
from phi3scaffold.migration.plan import HELD_OUT, MODEL, TRAIN, TURNS, VALIDATION, MigrationPlan
from phi3scaffold.migration.row_lookup import look, written_down
from phi3scaffold.models import catalogue
from phi3scaffold.project.text_edit import with_settings

# What `new` writes by itself, from its answers and from the rows.
WRITTEN = (MODEL, TRAIN, HELD_OUT, VALIDATION, TURNS, REGISTRY)
UNSEEN = """\
  # The hub could not be asked about this model: `phi3scaffold model` checks it before it downloads
  # the weights.
"""


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
    plan = look(plan)
    source = plan.source
    assert source is not None
    for line in source.lines():
        say(line)
    share, held_out = plan.values.get(HELD_OUT), source.answer["held_out"]
    if isinstance(share, float) and held_out != share:
        say(f"held out are {', '.join(held_out)}, and no share of {share:g}")
    answers = {**plan.answers, "task": source.task}
    model, heard = str(plan.answers.get("model", catalogue.DEFAULT)), []

    def listen(line: str) -> None:
        heard.append(line)
        say(line)

    def finish(root: Path) -> None:
        amend(root, plan)
        # the generator says so where the hub could not be asked about it
        if catalogue.find(model) is None and any(
            f"{model} was not checked" in one for one in heard
        ):
            _comment(root / MODEL.partition(": ")[0], "  id:", UNSEEN)

    new(
        destination, answers, data=source, git=git, wheel=wheel, say=listen,
        amend=finish,
    )  # fmt: skip
    return complete(answers)


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
    if plan.absent:
        _comment(root / DATASET.removesuffix(": "), "files:", written_down(plan.absent, plan.old))
    if REGISTRY in plan.values:
        path = root / REGISTRY.partition(": ")[0]
        text = path.read_text(encoding="utf-8")
        known = r"(?<=#   path: )azureml:\S+"
        text = re.sub(known, lambda _: plan.values[REGISTRY], text)
        path.write_text(text, encoding="utf-8", newline="\n")


def _comment(path: Path, key: str, comment: str) -> None:
    """Write a comment above a key of a YAML file."""
    text = path.read_text(encoding="utf-8")
    start = text.index(f"\n{key}") + 1
    path.write_text(text[:start] + comment + text[start:], encoding="utf-8", newline="\n")
