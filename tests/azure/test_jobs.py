"""A project for Azure ML, from `new` to an answer, through Azure's own protocols on the loopback."""

from __future__ import annotations

from pathlib import Path

from tests.azure.conftest import Run
from tests.support.azure.loopback import Loopback


def test_submit_logs_fetch_infer(azure: Loopback, run: Run, project: Path) -> None:
    done = run("run")
    print(done.stdout)
    assert "submitted the job" in done.stdout
    assert "finetune: done" in done.stdout
    assert (project / "gen-model" / "onnx" / "manifest.json").exists()
    assert not (project / "gen-model" / "merged").exists()
    assert run("infer", "--example").stdout.strip()
    assert "up to date" in run("run").stdout
