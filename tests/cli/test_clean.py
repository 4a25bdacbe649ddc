"""`phi3scaffold clean` and what `info` says of the disk."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from filelock import FileLock

from phi3scaffold.__main__ import VERBS
from phi3scaffold.cli import main

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
RESULTS = (
    *("data/train.jsonl", "adapter/a", "merged/m", "onnx/o", "onnx-adapter/x", "onnx-base/b"),
    *("evaluation/metrics.json", "release/release.json", "report/index.html", "logs/run.log"),
    *(".work/olive/x", ".work-2/y", ".adapter-partial/abc/z", ".data-partial/abc/z"),
)
STAY = (
    *("gen-model/tracking/mlflow.db", "gen-model/mine/model.bin", "gen-model/job.json"),
    *("datasets/more.jsonl", "notes.md"),
)
BASE = ("model-cache/base/model.safetensors", "model-cache/tokenizer/tokenizer.json")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with files of a kilobyte wherever something may lie."""
    root = Path(shutil.copytree(EXAMPLES / "phrase-tone", tmp_path / "proj"))
    for name in (*(f"gen-model/{name}" for name in RESULTS), *STAY, *BASE):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 1000)
    monkeypatch.chdir(root)
    return root


def files(root: Path) -> set[str]:
    return {
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def test_results_go_and_everything_else_stays(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(project)
    assert main(VERBS, ["clean", "--dry-run"]) == 0
    assert "would free 14.0 kB" in capsys.readouterr().out
    assert files(project) == before
    assert main(VERBS, ["clean"]) == 0
    printed = capsys.readouterr().out
    assert "freed 14.0 kB" in printed
    assert "--all frees 2.0 kB more" in printed
    assert before - files(project) == {f"gen-model/{name}" for name in RESULTS}
    assert main(VERBS, ["clean"]) == 0
    assert "nothing to remove" in capsys.readouterr().out
    assert main(VERBS, ["clean", "--all"]) == 0
    assert "freed 2.0 kB" in capsys.readouterr().out
    assert before - files(project) == {*(f"gen-model/{name}" for name in RESULTS), *BASE}


def test_a_link_is_removed_and_not_what_it_leads_to(project: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine").write_text("x")
    shutil.rmtree(project / "gen-model/adapter")
    (project / "gen-model/adapter").symlink_to(other)
    assert main(VERBS, ["clean"]) == 0
    assert not (project / "gen-model/adapter").is_symlink()
    assert (other / "mine").read_text() == "x"


def test_nothing_is_removed_while_a_run_goes_on(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(project)
    with FileLock(project / "gen-model/.lock"):
        assert main(VERBS, ["clean"]) == 1
    assert "Another run is going on" in capsys.readouterr().err
    assert files(project) == before


def test_a_new_project_has_nothing_to_remove(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = shutil.copytree(EXAMPLES / "question-answer-aml", tmp_path / "new")
    assert main(VERBS, ["clean", "--project", str(root)]) == 0
    assert capsys.readouterr().out == "nothing to remove\n"


def test_info_shows_the_disk_and_what_clean_frees(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(VERBS, ["info", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["project"]
    assert found["disk"]["gen-model/onnx"] == found["disk"]["gen-model/mine"] == 1000
    assert found["disk"]["model-cache"] >= 2000
    assert found["removable"] == {"clean": 14000, "clean_all": 16000}
    assert main(VERBS, ["info"]) == 0
    printed = capsys.readouterr().out
    assert "14.0 kB by `phi3scaffold clean`, 16.0 kB with --all" in printed
    assert max(map(len, printed.splitlines())) <= 100


def test_info_of_several_projects(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(EXAMPLES / "question-answer-aml", tmp_path / "deep/er/qa")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/project.yaml").write_text("model: [\n")
    assert main(VERBS, ["info", "--all", str(tmp_path), "--json"]) == 0
    found = {one["name"]: one for one in json.loads(capsys.readouterr().out)["projects"]}
    assert set(found) == {"proj", "qa", "broken"}
    assert found["proj"]["removable"]["clean"] == 14000
    assert found["proj"]["disk_bytes"] > 20000
    assert "Not valid YAML" in found["broken"]["error"]
    assert main(VERBS, ["info", "--all", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert max(map(len, lines)) <= 80
    assert any("deep/er/qa" in line for line in lines)
    assert main(VERBS, ["info", "--all", str(tmp_path / "none")]) == 2
