"""Weights that were damaged on the disk: no verb takes them for what was made and released."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import command

DATA = "gen-model/onnx/model.onnx.data"


def zero(path: Path) -> None:
    """Put zeros over a file, of the same length and time, as a bad disk or a restored copy may."""
    stat = path.stat()
    with path.open("r+b") as stream:
        stream.write(bytes(stat.st_size))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def state(root: Path) -> dict[str, Any]:
    """What `info` says of a project."""
    return dict(json.loads(command("info", "--json", cwd=root).stdout)["project"])


@pytest.fixture
def damaged(tiny_project: Path, tmp_path: Path) -> Path:
    """A project whose hashes are known, with zeros over its ONNX weights since then."""
    root = Path(shutil.copytree(tiny_project, tmp_path / "proj", symlinks=True))
    assert state(root)["stages"]["export"] == "up to date"
    time.sleep(0.02)  # a file's times go by the clock's ticks
    zero(root / DATA)
    return root


def test_damaged_weights_do_not_answer_and_are_not_released(damaged: Path) -> None:
    for words in (["infer", "Hello"], ["serve", "--port", "0"]):
        done = command(*words, cwd=damaged, check=False)
        assert (done.returncode, done.stdout) == (1, "")
        assert "model.onnx.data has changed since it was made" in done.stderr
        assert "phi3scaffold export" in done.stderr
    told = state(damaged)
    assert (told["stages"]["export"], told["released"]) == ("stale", None)
    done = command("lint", "--quick", cwd=damaged, check=False)
    assert done.returncode == 1 and DATA in done.stdout


def test_verify_reads_what_no_time_tells(tiny_project: Path, tmp_path: Path) -> None:
    """A disk may change bytes without any sign: the cache of hashes then vouches for the file."""
    root = Path(shutil.copytree(tiny_project, tmp_path / "proj", symlinks=True))
    zero(root / DATA)
    command("lint", "--quick", cwd=root, check=False)  # the hashes of today, by today's times
    cache = root / "gen-model" / ".hashes.json"
    known = json.loads(cache.read_text(encoding="utf-8"))
    manifest = json.loads((root / "gen-model/onnx/manifest.json").read_text(encoding="utf-8"))
    known[str(root / DATA)][-1] = manifest["files"]["model.onnx.data"]["sha256"]
    cache.write_text(json.dumps(known), encoding="utf-8")
    assert state(root)["stages"]["export"] == "up to date"
    assert command("lint", "--quick", "--verify", cwd=root, check=False).returncode == 1
    cache.write_text(json.dumps(known), encoding="utf-8")
    command("run", "--verify", cwd=root)
    assert (root / DATA).read_bytes() == (tiny_project / DATA).read_bytes()
