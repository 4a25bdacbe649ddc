"""A project for other hardware says so before anything is loaded, and what works here instead."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import command
from tests.e2e.test_pipeline import metrics, shorten
from tests.support.settings import measure_only


def made(folder: Path, target: str) -> Path:
    answers = ("--algo", "lora", "--target", target, "--task", "classify", "--model", "tiny")
    command("new", "proj", *answers, "--defaults", "--no-git", cwd=folder)
    return folder / "proj"


@pytest.mark.parametrize("target", ["aml", "arc", "cuda"])
def test_a_stage_is_refused_and_the_local_command_named(target: str, tmp_path: Path) -> None:
    if target == "cuda":
        torch = pytest.importorskip("torch")
        if torch.cuda.is_available():
            pytest.skip("there is a CUDA device, so the project runs")
    project = made(tmp_path, target)
    done = command("finetune", cwd=project, check=False)
    assert done.returncode == 2
    assert "phi3scaffold finetune --local" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project / "gen-model" / "data").exists()


def test_the_local_command_works(tmp_path: Path) -> None:
    project = made(tmp_path, "aml")
    shorten(project, 1)
    measure_only(project, rows=4)
    command("run", "--local", cwd=project)
    assert set(metrics(project)["forms"]) == {"base", "adapter", "merged", "onnx"}
    built = json.loads((project / "gen-model" / "onnx" / "genai_config.json").read_text())
    assert built["model"]["decoder"]["session_options"]["provider_options"] == []
    assert command("infer", "Hello", "--max-new-tokens", "2", cwd=project).returncode == 0
