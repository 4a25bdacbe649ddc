"""What the report stage says of itself in the summary of a run."""

from __future__ import annotations

from pathlib import Path

from phi3scaffold.project.settings import load_project
from phi3scaffold.stages.graph import STAGES


def test_a_page_is_named_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "project.yaml").write_text("model: {id: tiny}\n", encoding="utf-8")
    project, stage = load_project(tmp_path), STAGES["report"]
    assert stage.details(project, {}) == []  # a job wrote it, and nobody has fetched it
    project.report.mkdir(parents=True)
    (project.report / "index.html").touch()
    (line,) = stage.details(project, {})
    assert line.startswith("report: ") and line.endswith("index.html")
