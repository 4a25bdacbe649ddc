"""What a real run made, to be changed into what other runs would make."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phi3scaffold.project.settings import load_project
from phi3scaffold.reporting.run_record import Asked, Made, read
from phi3scaffold.stages.graph import STAGES


@pytest.fixture(scope="session")
def real(tiny_project: Path) -> Made:
    """What the shared project's run made."""
    project = load_project(tiny_project)
    stages = [STAGES[name] for name in STAGES["report"].after_in(STAGES)]
    timed = frozenset(stage.name for stage in stages if stage.is_timed)
    return read(project, {stage.name: stage.folder(project) for stage in stages}, timed)


@pytest.fixture
def made(real: Made) -> Made:
    """A copy of it, to change at will."""
    return copy.deepcopy(real)


def with_labels(made: Made, labels: list[str]) -> Made:
    """As if the task had these labels: two rows each, one of which is given the next label."""
    many = len(labels)
    answers, prompts = [], {}
    for number, label in enumerate(labels * 2):
        place = f"held-out.jsonl:{number + 1}"
        said = label if number < many else labels[(number + 1) % many]
        forms = {"base": "?", "adapter": label, "merged": label, "onnx": said}
        answers.append({"place": place, "expected": label, **forms})
        prompts[place] = Asked(f"What is it?\nNumber {number}.")
    table = [[0] * (many + 1) for _ in labels]
    for number in range(many):
        table[number][number] += 1
        table[number][(number + 1) % many] += 1
    metrics = {**made.metrics, "labels": labels, "rows": 2 * many, "held_out": 2 * many}
    for rung in metrics["forms"].values():
        rung["confusion"] = table
    metrics["baselines"]["majority"]["label"] = labels[0]
    counts = {side: dict.fromkeys(labels, 2) for side in ("train", "held_out")}
    data = {**made.data, "labels": counts}
    return dataclasses.replace(made, metrics=metrics, data=data, answers=answers, prompts=prompts)


def with_free_answers(made: Made, task: str) -> Made:
    """As if the task were question and answer, or chat."""
    metrics: dict[str, Any] = {**made.metrics, "task": task, "labels": [], "baselines": {}}
    for rung in metrics["forms"].values():
        for key in [key for key in rung if key.split("_")[0] in ("accuracy", "macro", "invalid")]:
            del rung[key]
        for key in [key for key in rung if key.startswith(("likelihood", "confusion"))]:
            del rung[key]
        rung |= {"exact_match": 0.25, "exact_match_interval": [0.2, 0.3], "rouge_l": 0.7}
    return dataclasses.replace(made, metrics=metrics, data={**made.data, "labels": None})


Change = Callable[[Made], Made]
