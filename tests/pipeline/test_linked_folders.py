"""A link in a project of somebody else does not lead a run, or `clean`, to the user's files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from phi3scaffold import generator
from phi3scaffold.pipeline.runner import only_run
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.files import write_json
from phi3scaffold.project.settings import Project, load_project
from phi3scaffold.stages.disk_use import clean


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("links") / "proj"
    return generator.new(folder, {"model": "tiny"}, git=False, wheel=False)


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Project:
    return load_project(Path(shutil.copytree(made, tmp_path / "proj")))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with what is dear to the user, some of it under the names of results."""
    folder = tmp_path / "home"
    for name in ("data/letters.txt", "adapter/usb.txt", "run.log", "notes/a.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("dear")
    return folder


PLACES = [
    "gen-model", "model-cache", "gen-model/.work", "gen-model/.evaluation-partial",
    "gen-model/logs",
    "gen-model/tracking", "gen-model/search", "gen-model/logs/run.log",
]  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_a_link_out_of_the_project_is_refused(place: str, project: Project, home: Path) -> None:
    path = project.root / place
    if path.is_dir():
        shutil.rmtree(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(home / "run.log" if path.suffix else home)
    before = {one: one.read_bytes() for one in home.rglob("*") if one.is_file()}
    with pytest.raises(ScaffoldError, match="leads out of the project") as error, only_run(project):
        pass
    assert error.value.where == str(path)
    with pytest.raises(ScaffoldError, match="leads out of the project"):
        clean(project, everything=True)
    assert {one: one.read_bytes() for one in home.rglob("*") if one.is_file()} == before


def test_a_link_within_the_project_is_not(project: Project) -> None:
    (project.gen / "real").mkdir(parents=True)
    (project.gen / "logs").symlink_to("real")
    with only_run(project):
        assert (project.gen / "logs").is_symlink()


def test_a_link_where_a_part_is_written_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").write_text("dear")
    monkeypatch.setattr("os.getpid", lambda: 7)
    (tmp_path / ".facts.json.7").symlink_to(tmp_path / "mine")
    write_json(tmp_path / "facts.json", {"a": 1})
    assert (tmp_path / "mine").read_text() == "dear"
    assert not (tmp_path / "facts.json").is_symlink()
