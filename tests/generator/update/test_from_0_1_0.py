"""A project as 0.1.0 made it becomes one of today: renamed keys are followed, edits stay."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from phi3scaffold import generator
from phi3scaffold.evaluation.limits import project_limits
from phi3scaffold.generator import update
from phi3scaffold.generator.render import render
from phi3scaffold.project.settings import load_project
from tests.support.releases import ANSWERS, commit, edit, git

TAG = "v0.1.0"


def first(folder: Path, target: str) -> Path:
    """Make a project of the released template, from the bundle that every installation has."""
    today = generator.new(folder / "today", ANSWERS | {"target": target}, git=False, wheel=False)
    answers = yaml.safe_load((today / ".copier-answers.yml").read_text(encoding="utf-8"))
    project = folder / "proj"
    render(project, {k: v for k, v in answers.items() if not k.startswith("_")}, TAG)
    git(project, "init", "-q")
    return project


@pytest.mark.parametrize("target", ["cpu", "aml"])
def test_it_is_updated(tmp_path: Path, target: str) -> None:
    project = first(tmp_path, target)
    assert f"_commit: {TAG}" in (project / ".copier-answers.yml").read_text(encoding="utf-8")
    edit(project, "project.yaml", lambda text: text.replace("over_base: 1.0", "over_base: 0.9"))
    edit(project, "inferences/onnx.py", lambda text: text + "# ours\n")
    assert project_limits(load_project(project))["truncated_answers"] == 0.02  # before the update
    commit(project)
    update.update(project, {})
    gate = (project / "project.yaml").read_text(encoding="utf-8")
    assert "unfinished" not in gate and "\n  truncated_answers: 0.02" in gate
    assert "\n  over_base: 0.9" in gate  # beside today's line, where its comment has changed
    ours = (project / "inferences" / "onnx.py").read_text(encoding="utf-8")
    assert ours.endswith("# ours\n") and "<<<<<<<" not in ours
    script = (project / "fine-tuning" / "user_script.py").read_text(encoding="utf-8")
    assert "phi3scaffold.stages.olive_rows" in script


def test_one_that_nobody_edited_has_no_conflict(tmp_path: Path) -> None:
    project = first(tmp_path, "cpu")
    commit(project)
    found = update.update(project, {})
    assert not found.of("conflict")
    assert project_limits(load_project(project))["truncated_answers"] == 0.02
    git(project, "grep", "-q", "truncated_answers: 0.02")
