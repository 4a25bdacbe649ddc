"""What probably was the reason, and the setting that a failed gate names."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from phi3scaffold.evaluation.advice import advise
from phi3scaffold.evaluation.metrics import FormMetrics, Metrics
from phi3scaffold.evaluation.training_outcome import TrainingOutcome
from phi3scaffold.project.olive_config import OliveConfig, load_config
from phi3scaffold.project.settings import Project
from phi3scaffold.project.training_plan import TrainingPlan

PLAN = TrainingPlan("passes.finetune.training_args", 3, 16, 1, 0)
METRICS = Metrics(task="classify", model="tiny", rows=40, held_out=40, labels=["joy", "fear"])
TABLE = [[19, 1, 0], [15, 5, 0]]
GOOD = TrainingOutcome(steps=300, plan=PLAN)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path, "tiny", "main", "cpu", evaluate_rows=1)


def config(tmp_path: Path, algo: str = "LoRA", **quantize: Any) -> OliveConfig:
    passes = {
        "finetune": {"type": algo, "r": 16, "training_args": {}},
        "merge": {"type": "MergeAdapterWeights"},
        "quantize": {"type": "Rtn", "bits": 4, "group_size": 32, **quantize},
        "build": {"type": "ModelBuilder", "precision": "int4"},
    }
    path = tmp_path / "olive-config.json"
    path.write_text(json.dumps({"input_model": {"type": "HfModel"}, "passes": passes}))
    return load_config(path)


def outcome(losses: list[float], **facts: Any) -> TrainingOutcome:
    history = [{"step": step, "eval_loss": loss} for step, loss in enumerate(losses)]
    usual = {"planned_steps": 300, "first_loss": 3.0, "last_loss": 1.0}
    return TrainingOutcome.of({**usual, **facts}, history, PLAN, 3e-4)


def test_a_short_training_is_named_with_the_epochs_that_it_takes() -> None:
    (remark,) = outcome([1.0, 1.0], planned_steps=57).remarks
    assert "planned with 57 steps" in remark and "phi3scaffold set epochs=8." in remark
    fixed = replace(outcome([1.0, 1.0], planned_steps=50), plan=replace(PLAN, max_steps=50))
    assert "phi3scaffold set max_steps=150." in fixed.remarks[0]
    assert "more rows are needed" in outcome([1.0], planned_steps=5).remarks[0]


def test_a_loss_that_still_fell_is_named() -> None:
    (remark,) = outcome([1.5, 1.0, 0.9]).remarks
    assert "still fell" in remark and "1 to 0.9" in remark and "set epochs=6." in remark
    assert outcome([1.5, 1.0, 0.99]).remarks == [] and outcome([1.0, 1.2]).remarks == []
    assert outcome([]).remarks == []


def test_a_training_that_diverged_needs_a_lower_rate(tmp_path: Path, project: Project) -> None:
    bad = outcome([1.0], last_loss=float("nan"))
    text = advise("adapter", project, config(tmp_path), bad, METRICS)
    assert text == "the training loss did not fall: phi3scaffold set lr=0.0001"


def test_a_sound_training_gets_a_higher_rank(tmp_path: Path, project: Project) -> None:
    text = advise("adapter", project, config(tmp_path), GOOD, METRICS)
    assert text == "the adapter has rank 16: phi3scaffold set rank=32"


def test_labels_that_the_adapter_merges_are_named(tmp_path: Path, project: Project) -> None:
    merged = replace(METRICS, forms={"adapter": FormMetrics(1.0, confusion=TABLE)})
    text = advise("adapter", project, config(tmp_path), GOOD, merged)
    assert 'most rows of "fear" are answered "joy"' in text


@pytest.mark.parametrize(
    ("quantize", "command"),
    [
        ({"bits": 2}, "phi3scaffold set quantize.bits=4"),
        ({"group_size": 128}, "phi3scaffold set quantize.group_size=32"),
        ({"group_size": -1}, "phi3scaffold set quantize.group_size=32"),
        ({}, "phi3scaffold optimize"),
        ({"type": "Gptq", "data_config": "x"}, "phi3scaffold set quantize.bits=8"),
    ],
)
def test_the_quantizer_gets_one_step_closer(
    quantize: dict[str, Any], command: str, tmp_path: Path, project: Project
) -> None:
    assert command in advise("onnx", project, config(tmp_path, **quantize), GOOD, METRICS)


def test_qlora_gets_the_other_merge_base(tmp_path: Path, project: Project) -> None:
    qlora = config(tmp_path, "QLoRA")
    text = advise("merged", project, qlora, GOOD, METRICS)
    assert "phi3scaffold set merge_base=nf4" in text
    text = advise("onnx", replace(project, merge_base="nf4"), qlora, GOOD, METRICS)
    assert "phi3scaffold set merge_base=original" in text
    assert advise("merged", project, config(tmp_path), GOOD, METRICS) == ""
