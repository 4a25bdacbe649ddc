"""`phi3scaffold info`: its JSON is what scripts rely on, so its keys are written out here."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from phi3scaffold import __version__, generator
from tests.conftest import command
from tests.template.conftest import without_git

NOT_OF_IT = ("manifest.json", "calibration.json")  # written beside a form, the latter later
TOP = {"format", "version", "template", "python", "platform", "packages", "project"}
PROJECT = {
    *("name", "root", "settings", "stages", "forms", "evaluation", "released"),
    *("disk", "removable"),
}
SETTINGS = {
    "model", "revision", "commit", "target", "demonstration", "evaluate_rows", "algo", "passes",
}  # fmt: skip


def info(folder: Path) -> dict[str, Any]:
    found = json.loads(command("info", "--json", cwd=folder).stdout)
    assert set(found) == TOP
    assert found["format"] == 1
    return found


def shown(folder: Path) -> str:
    return command("info", cwd=folder).stdout


def test_outside_of_a_project(tmp_path: Path) -> None:
    found = info(tmp_path)
    assert found["version"] == __version__
    assert found["python"].startswith("3.")
    assert found["project"] is None
    assert {"expected", "installed"} == set(found["packages"]["copier"])
    assert "none here" in command("info", cwd=tmp_path).stdout


def test_a_new_project(tmp_path: Path) -> None:
    with without_git():
        answers = {"algo": "qlora", "target": "cuda", "task": "qa", "model": "phi-4-mini"}
        root = generator.new(tmp_path / "proj", answers, git=False, wheel=False)
    project = info(root / "datasets")["project"]
    assert set(project) == PROJECT
    assert set(project["settings"]) == SETTINGS
    assert project["settings"]["algo"] == "qlora"
    assert project["settings"]["model"] == "microsoft/Phi-4-mini-instruct"
    assert set(project["stages"].values()) == {"missing"}
    assert "adapters" not in project["stages"]
    assert (project["forms"], project["evaluation"], project["released"]) == ({}, None, None)
    assert "onnxruntime-gpu" in info(root)["packages"]


def test_a_project_that_was_run(tiny_project: Path, tmp_path: Path) -> None:
    root = tmp_path / "proj"
    shutil.copytree(tiny_project, root)
    project = info(root)["project"]
    assert project["stages"]["finetune"] == project["stages"]["export"] == "up to date"
    assert project["released"] is True
    assert re.search(r"onnx +.*, accuracy \d+\.\d%, agreement \d+\.\d%", shown(root))
    assert set(project["forms"]) == {"adapter", "merged", "onnx"}
    for name, form in project["forms"].items():
        assert set(form) == {"bytes", "files", "sha256"}
        files = [p for p in (root / "gen-model" / name).rglob("*") if p.is_file()]
        own = [p for p in files if p.name not in NOT_OF_IT]
        assert form["bytes"] == sum(p.stat().st_size for p in own)
    config = root / "fine-tuning" / "olive-config.json"
    config.write_text(config.read_text().replace('"group_size": 32', '"group_size": 64'))
    project = info(root)["project"]
    assert project["stages"]["finetune"] == "up to date"
    behind = ("export", "evaluate", "gate", "report")
    assert [project["stages"][name] for name in behind] == ["stale"] * 4
    assert project["released"] is None
    told = command("info", cwd=root).stdout
    assert "a demonstration model" in told
    assert "not known: the verdict is out of date" in told
    assert "stale" in told


def test_a_broken_project_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "project.yaml").write_text("model: [\n")
    done = command("info", cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert "project.yaml" in done.stderr
    assert command("info", "--project", "nowhere", cwd=tmp_path.parent, check=False).returncode == 2


def test_it_imports_nothing_heavy(tmp_path: Path) -> None:
    with without_git():
        root = generator.new(tmp_path / "proj", {"model": "tiny"}, git=False, wheel=False)
    code = (
        "import sys\nfrom phi3scaffold.__main__ import VERBS\nfrom phi3scaffold.cli import main\n"
        "main(VERBS, ['info', '--json'])\n"
        "print([name for name in ('torch', 'numpy', 'olive', 'transformers') "
        "if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("text", ["{}", "not json"])
def test_what_cannot_be_read_is_null(text: str, tmp_path: Path) -> None:
    with without_git():
        root = generator.new(tmp_path / "proj", {}, git=False, wheel=False)
    for name in ("evaluation/metrics.json", "release/release.json", "adapter/manifest.json"):
        path = root / "gen-model" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    project = info(root)["project"]
    assert (project["forms"], project["evaluation"], project["released"]) == ({}, None, None)
