"""What a stage has finished outlives a killed run, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from phi3scaffold.pipeline.runner import run_pipeline
from phi3scaffold.pipeline.stage import Context, Inputs, Stage
from phi3scaffold.project.errors import FAILED_RUN, USER_MISTAKE, ScaffoldError
from phi3scaffold.project.settings import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "rows").write_text("one")
    return Project(root=tmp_path, model_id="tiny", revision="main", target="cpu", evaluate_rows=1)


def run(project: Project, exit_code: int = 0) -> list[str]:
    """Run a stage that saves a piece, and fails then or not; return what it found saved."""
    found: list[str] = []

    def keep(context: Context) -> dict:
        found.extend(file.read_text() for file in context.partial.glob("*"))
        context.partial.mkdir(parents=True, exist_ok=True)
        (context.partial / "piece").write_text((project.root / "rows").read_text())
        if exit_code:
            raise ScaffoldError("ended", exit_code=exit_code)
        return {}

    stage = Stage(
        name="first",
        title="keeping",
        folder=lambda project: project.gen / "first",
        inputs=lambda project: Inputs(files=(project.root / "rows",)),
        run=keep,
    )
    run_pipeline(project, ["first"], {"first": stage}, lambda event: None)
    return found


def pieces(project: Project) -> list[Path]:
    return [path for path in project.gen.rglob("*") if path.name == "piece"]


def test_a_run_that_ended_early_is_taken_up(project: Project) -> None:
    with pytest.raises(ScaffoldError):
        run(project, FAILED_RUN)
    assert run(project) == ["one"]
    assert not list(project.gen.glob(".first*"))  # published: nothing is kept


def test_other_inputs_find_nothing_and_leave_nothing(project: Project) -> None:
    with pytest.raises(ScaffoldError):
        run(project, FAILED_RUN)
    (project.root / "rows").write_text("two")
    with pytest.raises(ScaffoldError):
        run(project, FAILED_RUN)
    assert [piece.read_text() for piece in pieces(project)] == ["two"]


def test_a_users_mistake_keeps_nothing(project: Project) -> None:
    with pytest.raises(ScaffoldError):
        run(project, USER_MISTAKE)
    assert not list(project.gen.glob(".first*"))
