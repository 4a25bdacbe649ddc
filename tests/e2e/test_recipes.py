"""Each recipe and quantizer, as `new` emits it, over the same trained weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from phi3scaffold import generator
from phi3scaffold.datasets.spec import load_spec
from phi3scaffold.pipeline import environment
from phi3scaffold.project.settings import load_project
from tests.template.conftest import without_git

environment.prepare()  # before torch: its threads sleep while they wait
ROWS = 64
CASES = [  # the default recipe at int4 is the trained project's own
    {"recipe": "fast"},
    {"recipe": "best"},
    {"quantizer": "kquant"},
    {"quantizer": "gptq"},
    {"precision": "int8"},
    {"precision": "int8", "quantizer": "kquant"},
]


@pytest.mark.parametrize("answers", CASES, ids=lambda case: "-".join(case.values()))
def test_it_answers_like_the_merged_model(
    answers: dict[str, str], tiny_project: Path, tmp_path: Path
) -> None:
    from phi3scaffold.evaluation.evaluation_set import sample_held_out
    from phi3scaffold.inference.forms import open_form
    from phi3scaffold.pipeline.runner import run_stages
    from phi3scaffold.stages.graph import STAGES

    root = Path(shutil.copytree(tiny_project, tmp_path / "proj", symlinks=True))
    project = load_project(root)
    with without_git():
        answers = {"model": "tiny", "task": "classify", **answers}
        emitted = generator.new(tmp_path / "emitted", answers, git=False, wheel=False)
    config = json.loads((emitted / "fine-tuning" / "olive-config.json").read_text())
    for calibration in config["data_configs"][2:]:
        calibration["pre_process_data_config"]["max_samples"] = 16
    project.olive_config.write_text(json.dumps(config))
    run_stages(project, ["export"], STAGES, lambda event: None, isolate=False)

    facts = json.loads((project.onnx / "manifest.json").read_text())["facts"]
    assert facts["precision"] == answers.get("precision", "int4")
    rows = sample_held_out(
        STAGES["data"].folder(project), load_spec(project.dataset_yaml), ROWS
    ).rows
    said = {}
    for name in ("merged", "onnx"):
        with open_form(name, project) as form:
            prompts = [form.encode(row.messages[:-1]) for row in rows]
            made = form.generate(prompts, form.prompt.max_new_tokens)
            said[name] = [form.decode(ids).strip() for ids in made]
    same = sum(one == other for one, other in zip(said["onnx"], said["merged"], strict=True))
    assert same >= 0.95 * ROWS
