"""L19: weights and large files in git."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.checks.lint.conftest import Make
from tests.checks.lint.helpers import append, found


def git(root: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=root, check=True, capture_output=True)


def test_only_what_git_tracks(make: Make) -> None:
    root = make(model="tiny")
    assert found(root, "tracked_files") == []  # in no repository
    git(root, "init", "-q")
    git(root, "add", "-A")
    assert found(root, "tracked_files") == []
    append(root, "gen-model/adapter/README.md", "made")
    append(root, "other/model.onnx.data", "made")
    with (root / "datasets" / "large.jsonl").open("wb") as stream:
        stream.truncate(60 << 20)
    git(root, "add", "-f", "gen-model", "other", "datasets", "model-cache/base/model.safetensors")
    findings = found(root, "tracked_files")
    assert {finding.state for finding in findings} == {"warning"}
    assert [finding.where for finding in findings] == [
        "datasets/large.jsonl",
        "gen-model/adapter/README.md",
        "model-cache/base/model.safetensors",
        "other/model.onnx.data",
    ]
    for finding in findings:
        git(root, *str(finding.fix).split()[1:])
    assert found(root, "tracked_files") == []


def test_a_project_inside_a_larger_repository(make: Make) -> None:
    root = make()
    git(root.parent, "init", "-q")
    append(root.parent, "outside.onnx", "not this project's")
    git(root.parent, "add", "-A")
    assert found(root, "tracked_files") == []
