"""What cannot be served, and what is said of what can."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import command
from tests.support.azure.worker import free_port
from tests.support.server import until


@pytest.mark.parametrize(
    ("words", "key", "said"),
    [
        (("--host", "0.0.0.0"), None, "needs an API key"),
        (("--host", "::"), None, "needs an API key"),
        (("--host", "0.0.0.0"), "short", "at least 16"),
        (("--api-key-file", "no-such-file"), None, "cannot be read"),
        (("--host", "203.0.113.7"), "k" * 20, "cannot be used"),
        (("--form", "onnx-base"), None, "phi3scaffold export"),
        (("--port", "70000"), None, "a port from 0 to 65535"),
        (("--cors-origin", "https://example.org/"), None, "without a path"),
        (("--cors-origin", "example.org"), None, "such as https://"),
    ],
)
def test_what_cannot_be_served(
    served_project: Path, words: tuple[str, ...], key: str | None, said: str, monkeypatch
) -> None:
    monkeypatch.delenv("PHI3SCAFFOLD_API_KEY", raising=False)
    if key:
        monkeypatch.setenv("PHI3SCAFFOLD_API_KEY", key)
    done = command("serve", *words, cwd=served_project, check=False)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_gate_is_said_loudly(tiny_project: Path, tmp_path: Path) -> None:
    from phi3scaffold.project.settings import load_project
    from phi3scaffold.serving.served_models import release_remark

    root = tmp_path / "proj"
    shutil.copytree(tiny_project, root)
    project = load_project(root)
    assert release_remark(project) is None
    path = project.release / "release.json"
    release = json.loads(path.read_text())
    path.write_text(json.dumps({**release, "released": False}))
    assert "THE GATE FAILED" in str(release_remark(project))
    path.write_text(json.dumps({**release, "model": "another"}))
    assert "not the one that was evaluated" in str(release_remark(project))
    path.unlink()
    assert "was not evaluated" in str(release_remark(project))


def test_without_a_reader_of_its_output_it_serves(served_project: Path) -> None:
    """As behind `| head -0`: nothing is told, and nothing dies of it."""
    read, write = os.pipe()
    os.close(read)
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "phi3scaffold", "serve", "--port", str(port)],
        cwd=served_project, stdout=write, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    os.close(write)

    def health() -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as reply:
                return json.load(reply)
        except OSError:  # it does not listen yet, or says 503
            return {}

    try:
        until(lambda: health().get("status") == "ok", 60)
        time.sleep(0.5)  # so long that a second engine would have been started
        assert health()["restarts"] == 0
        process.terminate()
        _, told = process.communicate(timeout=20)
        assert process.returncode == 0
        assert "BrokenPipe" not in told and "error" not in told
    finally:
        process.kill()


def test_a_damaged_model_is_one_message(served_project: Path, tmp_path: Path) -> None:
    root = tmp_path / "proj"
    shutil.copytree(served_project, root)
    model = root / "gen-model" / "onnx" / "model.onnx"
    model.write_bytes(b"\0" * model.stat().st_size)
    done = subprocess.run(
        [sys.executable, "-m", "phi3scaffold", "serve", "--port", "0"],
        cwd=root, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert "model.onnx has changed since it was made" in done.stderr
    assert "Traceback" not in done.stderr
