"""L05: what names another base model than project.yaml."""

from __future__ import annotations

import json
from pathlib import Path

from tests.checks.lint.conftest import Make
from tests.checks.lint.helpers import append, change, found, one


def test_a_trained_project_is_clean(tiny_project: Path) -> None:
    assert found(tiny_project, "model") == []


def test_the_lock_and_what_was_made_are_of_another_model(tiny_copy: Path) -> None:
    change(tiny_copy, "project.yaml", 'id: "tiny"', 'id: "phi-3.5-mini"')
    lock, answers = found(tiny_copy, "model")
    assert (lock.state, lock.fix) == ("warning", "phi3scaffold model")
    assert lock.where == "model.lock:2: id"
    assert (answers.state, answers.where) == ("note", ".copier-answers.yml: model")
    for name in ("model.lock", "model-cache/base/model.lock"):
        change(tiny_copy, name, '"id": "tiny"', '"id": "phi-3.5-mini"')
    prompt, _ = found(tiny_copy, "model")
    assert str(prompt.where).startswith("gen-model/adapter/prompt.json:")
    assert (
        prompt.what == "It was made from tiny; project.yaml names microsoft/Phi-3.5-mini-instruct."
    )


def test_an_answer_by_another_name_is_the_same_model(make: Make) -> None:
    root = make()
    change(root, "project.yaml", "microsoft/Phi-3-mini-4k-instruct", "phi-3-mini-4k")
    assert found(root, "model") == []


def test_a_name_that_is_none(make: Make) -> None:
    root = make()
    line = change(root, "project.yaml", "microsoft/Phi-3-mini-4k-instruct", "phi-3-mini")
    unknown, answers = found(root, "model")
    assert (unknown.state, unknown.where) == ("error", f"project.yaml:{line}: model.id")
    assert answers.state == "note"


def test_a_folder_of_this_machine_relative_to_the_project(make: Make) -> None:
    root = make()
    change(root, "project.yaml", "microsoft/Phi-3-mini-4k-instruct", "./base")
    append(root, "base/config.json", json.dumps({"architectures": ["Other"]}))
    assert "its architecture is" in found(root, "model")[0].what


def test_olive_is_told_of_another_folder(make: Make) -> None:
    root = make()
    line = change(
        root, "fine-tuning/olive-config.json", '"model-cache/base"', '"microsoft/Phi-3-mini"'
    )
    finding = one(root, "model")
    assert finding.where == f"fine-tuning/olive-config.json:{line}: input_model.model_path"
    assert finding.fix == '"model_path": "model-cache/base"'
