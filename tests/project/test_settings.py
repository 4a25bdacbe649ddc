"""project.yaml: what is read, and what is refused with its key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.settings import Project, load_project


def written(root: Path, more: str) -> Path:
    (root / "project.yaml").write_text(f"model: {{id: tiny}}\n{more}\n")
    return root


def test_adapters_are_named_folders_relative_to_the_project(tmp_path: Path) -> None:
    root = written(tmp_path.resolve(), "adapters: {b: gen-model/adapter, a: ../other}")
    mine, other = root / "gen-model" / "adapter", root.parent / "other"
    assert load_project(root).adapters == (("b", mine), ("a", other))


@pytest.mark.parametrize("more", ["", "adapters:", "adapters: {}"])
def test_a_project_may_have_no_adapters(tmp_path: Path, more: str) -> None:
    assert load_project(written(tmp_path, more)).adapters == ()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("adapters: [a]", "mapping"),
        ("adapters: {../a: b}", "cannot be called '../a'"),
        ("adapters: {1: b}", "cannot be called 1"),
        ("adapters: {a: }", "adapters.a"),
        ("adapters: {a: 3}", "needs a folder, not 3"),
    ],
)
def test_wrong_adapters_are_refused_with_their_key(tmp_path: Path, more: str, message: str) -> None:
    with pytest.raises(ScaffoldError) as error:
        load_project(written(tmp_path, more))
    assert message in str(error.value) and "project.yaml" in str(error.value)


def test_a_project_travels_as_json(tmp_path: Path) -> None:
    project = load_project(written(tmp_path, "adapters: {a: b, c: d}"))
    assert Project.from_json(json.loads(json.dumps(project.to_json()))) == project


def test_patience_is_a_number_of_evaluations_or_null(tmp_path: Path) -> None:
    assert load_project(written(tmp_path, "")).early_stopping_patience == 3
    given = load_project(written(tmp_path, "early_stopping_patience: null"))
    assert given.early_stopping_patience is None
    for wrong in ("0", "1.5", "true", "many"):
        with pytest.raises(ScaffoldError, match="early_stopping_patience must be a whole number"):
            load_project(written(tmp_path, f"early_stopping_patience: {wrong}"))
