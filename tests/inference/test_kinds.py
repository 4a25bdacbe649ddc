"""The table of forms agrees with the stages that make them, and names each fact once."""

from __future__ import annotations

from pathlib import Path

import pytest

from phi3scaffold.inference.forms.kinds import (
    COMPARED,
    FORMS,
    KINDS,
    PUBLISHED,
    SHIPPED,
    FormKind,
    form_in,
)
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.settings import load_project
from phi3scaffold.stages.graph import STAGES


@pytest.mark.parametrize("kind", KINDS.values(), ids=FORMS)
def test_a_form_lies_where_its_stage_publishes(kind: FormKind, tmp_path: Path) -> None:
    (tmp_path / "project.yaml").write_text("model: {id: tiny}\n")
    project = load_project(tmp_path)
    assert STAGES[kind.stage].folder(project) == kind.folder(project)
    assert kind.name in ("base", kind.folder(project).name)


def test_selections_name_forms() -> None:
    assert {*COMPARED, *SHIPPED, *PUBLISHED} <= {*FORMS}
    assert all(KINDS[name].summary for name in PUBLISHED)


def test_a_folder_from_elsewhere_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "config.json").touch()
    assert form_in(tmp_path) == "merged"
    (tmp_path / "adapter_config.json").touch()
    assert form_in(tmp_path) == "adapter"
    (tmp_path / "genai_config.json").touch()
    assert form_in(tmp_path) == "onnx"
    (tmp_path / "adapters").mkdir()
    assert form_in(tmp_path) == "onnx-adapter"
    with pytest.raises(ScaffoldError, match="no such folder"):
        form_in(tmp_path / "none")


def test_an_incomplete_form_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScaffoldError, match="not made yet") as error:
        KINDS["onnx-base"].check(tmp_path)
    assert "phi3scaffold export --base" in str(error.value.fix)
