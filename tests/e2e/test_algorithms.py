"""Each of the other training passes, as `new` emits it: it learns, and what ships is the same."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from phi3scaffold import generator
from phi3scaffold.datasets.spec import load_spec
from phi3scaffold.generator import template
from phi3scaffold.pipeline import environment
from phi3scaffold.project.settings import load_project
from tests.template.conftest import without_git

environment.prepare()  # before torch: its threads sleep while they wait
OTHERS = sorted(set(template.questions()["algo"].choices) - {"lora", "qlora"})
STEPS, ROWS = 60, 64


@pytest.mark.parametrize("algo", OTHERS)
def test_it_learns_and_ships_what_it_learned(algo: str, tiny_project: Path, tmp_path: Path) -> None:
    from phi3scaffold.evaluation.evaluation_set import sample_held_out
    from phi3scaffold.inference.forms import open_form
    from phi3scaffold.pipeline.runner import run_stages
    from phi3scaffold.stages.graph import STAGES

    root = Path(shutil.copytree(tiny_project, tmp_path / "proj", symlinks=True))
    project = load_project(root)
    with without_git():
        answers = {"algo": algo, "model": "tiny"}
        emitted = generator.new(tmp_path / "emitted", answers, git=False, wheel=False)
    config = json.loads((emitted / "fine-tuning" / "olive-config.json").read_text())
    config["passes"]["finetune"]["training_args"].update(max_steps=STEPS, warmup_steps=4)
    project.olive_config.write_text(json.dumps(config))
    run_stages(project, ["finetune", "merge", "export"], STAGES, lambda event: None, isolate=False)

    data = STAGES["data"].folder(project)
    rows = sample_held_out(data, load_spec(project.dataset_yaml), ROWS).rows
    said = {}
    for name in ("adapter", "merged", "onnx"):
        with open_form(name, project) as form:
            prompts = [form.encode(row.messages[:-1]) for row in rows]
            made = form.generate(prompts, form.prompt.max_new_tokens)
            said[name] = [form.decode(ids).strip() for ids in made]
    right = {
        name: sum(answer == row.answer for answer, row in zip(answers, rows, strict=True))
        for name, answers in said.items()
    }
    assert right["adapter"] >= 0.6 * ROWS  # of four labels
    assert said["merged"] == said["adapter"]
    assert right["onnx"] >= right["adapter"] - 0.1 * ROWS
