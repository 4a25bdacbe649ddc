"""Make the project of a plan: the generator's `new`, then the user's own settings."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from phi3scaffold.generator.legacy.fields import DATASET, OLIVE, PROJECT
from phi3scaffold.generator.legacy.plan import HELD_OUT, Plan
from phi3scaffold.generator.make import complete, new
from phi3scaffold.generator.source import Source, sample_rows, user_rows

SAMPLES = "qa"


def migrate(
    plan: Plan,
    destination: Path,
    *,
    git: bool = True,
    wheel: bool = True,
    say: Callable[[str], None] = lambda _line: None,
) -> dict[str, Any]:
    """Make the project; it appears whole or not at all.

    Returns:
        The answers that it was made with.

    Raises:
        ScaffoldError: an answer, the rows or the destination is refused.
    """
    source = _source(plan)
    say(f"{source.said}; change it in datasets/dataset.yaml")
    share, held_out = plan.values.get(HELD_OUT), source.answer["held_out"]
    if isinstance(share, float) and held_out != share:
        say(f"held out are {', '.join(held_out)}, and no share of {share:g}")
    answers = {**plan.answers, "task": source.task}
    new(
        destination, answers, data=source, git=git, wheel=wheel, say=say,
        amend=lambda root: amend(root, plan),
    )  # fmt: skip
    return complete(answers)


def _source(plan: Plan) -> Source:
    task, held_out = plan.answers.get("task"), plan.values.get(HELD_OUT)
    if plan.data is None:
        source = sample_rows(task or SAMPLES)
        return replace(source, said=f"sample rows: {source.said}")
    turns = plan.turns and (plan.turns.user, plan.turns.assistant)
    source = user_rows(plan.data, task, turns or None)
    if held_out is None:
        return source
    if isinstance(held_out, float):
        if not isinstance(source.answer["held_out"], float):
            return source  # a split of its own is better than a share
        return replace(source, answer=source.answer | {"held_out": held_out})
    held = user_rows(held_out, source.task, turns or None)
    files = {
        f"held-out-{name}" if name in source.files else name: p for name, p in held.files.items()
    }
    answer = source.answer | {"held_out": list(files)}
    return replace(source, answer=answer, files={**source.files, **files})


def amend(root: Path, plan: Plan) -> None:
    """Write the settings that no option of `new` asks for."""
    path = root / "fine-tuning" / "olive-config.json"
    settings = {
        tuple(at.removeprefix(OLIVE).split(".")): value
        for at, value in plan.values.items()
        if at.startswith(OLIVE)
    }
    path.write_text(with_settings(path.read_text(encoding="utf-8"), settings), encoding="utf-8")
    rows = {"max_tokens": plan.values.get(f"{DATASET}max_tokens")}
    rows["system"] = plan.turns.system if plan.turns and plan.data else None
    _set_lines(root / "datasets" / "dataset.yaml", rows)
    _set_lines(root / "project.yaml", {"merge_base": plan.values.get(f"{PROJECT}merge_base")})


def _set_lines(path: Path, values: Mapping[str, Any]) -> None:
    """Replace the value of top-level keys of a YAML file; None leaves one as it is."""
    text = path.read_text(encoding="utf-8")
    for key, value in values.items():
        if value is not None:
            before, found, rest = re.split(rf"^({key}:).*$", text, maxsplit=1, flags=re.M)
            text = f"{before}{found} {json.dumps(value, ensure_ascii=False)}{rest}"
    path.write_text(text, encoding="utf-8", newline="\n")


def with_settings(text: str, settings: Mapping[tuple[str, ...], Any]) -> str:
    """The JSON `text` with values set, every other character as it was.

    A key that is missing goes to the end of its object; a missing object is made.
    """
    import yaml

    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert root is not None
    edits: list[tuple[int, int, str]] = []
    new: dict[int, tuple[int, str, dict[str, Any]]] = {}
    for path, value in settings.items():
        node: yaml.Node = root
        depth = 0
        while depth < len(path):
            below = {key.value: one for key, one in node.value}
            if path[depth] not in below:
                break
            node, depth = below[path[depth]], depth + 1
        if depth == len(path):
            edits.append((node.start_mark.index, node.end_mark.index, json.dumps(value)))
            continue
        for key in reversed(path[depth + 1 :]):
            value = {key: value}
        last_key, last = node.value[-1]
        _, _, added = new.setdefault(
            id(node), (last.end_mark.index, " " * last_key.start_mark.column, {})
        )
        added[path[depth]] = value
    for end, indent, added in new.values():
        lines = (f',\n{indent}"{key}": {json.dumps(value)}' for key, value in added.items())
        edits.append((end, end, "".join(lines)))
    for start, end, replaced in sorted(edits, reverse=True):
        text = text[:start] + replaced + text[end:]
    return text
