"""`update --set`: another answer than the one that was given to `new`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from phi3scaffold.generator import new, update
from phi3scaffold.project.errors import ScaffoldError
from tests.support.releases import Release, commit, edit, git, installed, make, snapshot

Releases = dict[str, Release]


def answers_of(project: Path) -> dict[str, Any]:
    found = yaml.safe_load((project / ".copier-answers.yml").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    "choices",
    [
        {"algo": "qlora", "precision": "int8"},
        {"target": "directml"},
        {"target": "aml"},
        {"precision": "fp32"},
        {"model": "phi-4-mini"},
    ],
    ids=lambda choices: "-".join(choices.values()),
)
def test_it_becomes_what_new_makes(
    choices: dict[str, str], project: Path, made: Releases, tmp_path: Path
) -> None:
    with installed(made["0.1.0"]):
        found = update.update(project, choices)
        assert not found.of("conflict")
        assert (found.old, found.new) == ("0.1.0", "0.1.0")
    fresh = make(made["0.1.0"], tmp_path / "proj", **choices)
    assert snapshot(project) == snapshot(fresh)
    assert git(project, "ls-files") == git(fresh, "ls-files")


def test_edits_stay(project: Path, made: Releases) -> None:
    path = "fine-tuning/olive-config.json"
    edit(project, path, lambda text: text.replace('"num_train_epochs": 3', '"num_train_epochs": 5'))
    assert '"num_train_epochs": 5' in (project / path).read_text()
    commit(project)
    with installed(made["0.2.0"]):
        update.update(project, {"algo": "qlora"})
    text = (project / path).read_text()
    assert '"num_train_epochs": 5' in text
    assert "QLoRA" in text
    json.loads(text)


def test_what_followed_follows(project: Path, made: Releases) -> None:
    """The recipe's quantizer, unless another was chosen; and back again."""
    with installed(made["0.1.0"]):
        update.update(project, {"recipe": "best"})
        assert answers_of(project)["quantizer"] == "gptq"
        commit(project)
        update.update(project, {"recipe": "default"})
        assert answers_of(project)["quantizer"] == "rtn"
        update.abort(project)
        update.update(project, {"recipe": "fast", "quantizer": "kquant"})
        commit(project)
        update.update(project, {"recipe": "best"})
        assert answers_of(project)["quantizer"] == "kquant"


def test_a_new_question(project: Path, made: Releases) -> None:
    """And under its later name what was answered before."""
    with installed(made["0.2.0"]):
        update.update(project, {"greeting": "short"})
    assert "Be short." in (project / "docs" / "TIPS.md").read_text()
    commit(project)
    with installed(made["0.3.0"]):
        update.update(project, {})
    assert answers_of(project)["welcome"] == "short"
    assert "Be very short." in (project / "docs" / "TIPS.md").read_text()


REFUSED = [
    {"algo": "lorra"},
    {"algo": "loftq"},
    {"colour": "red"},
    {"is_tiny": "true"},
    {"project_name": "x"},
    {"rows": "x"},
    {"precision": "fp16"},
    {"model": "nonsense"},
    {"precision": "fp32", "recipe": "best"},
    {"data": "rows.jsonl"},
]


@pytest.mark.parametrize("choices", REFUSED, ids=lambda choices: "-".join(choices.values()))
def test_refused_as_new_does(
    choices: dict[str, str], project: Path, made: Releases, tmp_path: Path
) -> None:
    before = snapshot(project)
    with installed(made["0.1.0"]):
        with pytest.raises(ScaffoldError) as caught:
            update.update(project, choices)
        assert caught.value.exit_code == 2
        if "data" not in choices:
            with pytest.raises(ScaffoldError) as of_new:
                new(tmp_path / "proj", choices)
            assert str(caught.value) == str(of_new.value)
    assert snapshot(project) == before


def test_another_task_is_said_to_need_more(project: Path, made: Releases) -> None:
    owned = (project / "datasets" / "dataset.yaml").read_bytes()
    with installed(made["0.1.0"]):
        found = update.update(project, {"task": "qa"})
    assert "task: qa" in found.notes[0]
    assert (project / "datasets" / "dataset.yaml").read_bytes() == owned
