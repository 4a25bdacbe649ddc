"""setup/setup.sh: which torch it installs, and in which order. pip itself only notes its words."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = """#!/bin/sh
case "$1 $2" in
"-m venv") mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; cp "$0" "$3/bin/phi3scaffold" ;;
"-m pip")
    echo "$*" >> pip.log
    case "$*" in *"config list"*) echo "$PIP_CONFIG" ;; esac ;;
esac
"""

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux has two builds of torch"
)


@pytest.mark.parametrize(
    ("target", "config", "expected"),
    [
        ("phrase-tone", "", True),
        ("phrase-tone", "global.timeout='60'", True),
        ("phrase-tone", "global.index-url='https://packages.example/simple'", False),
        ("phrase-tone", ":env:.extra-index-url='https://packages.example/simple'", False),
        ("conversations-cuda", "", False),  # a GPU is what it is for
        ("question-answer-aml", "", True),  # the GPU is the job's
    ],
)
def test_torch_comes_without_cuda_unless_it_is_wanted_or_pip_has_an_index(
    target: str, config: str, expected: bool, tmp_path: Path
) -> None:
    shutil.copytree(ROOT / "examples" / target / "setup", tmp_path / "setup")
    (tmp_path / "setup" / "phi3scaffold-0.whl").touch()
    python = tmp_path / "python"
    python.write_text(PYTHON)
    python.chmod(0o755)
    done = subprocess.run(
        ["sh", "setup/setup.sh"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHON": str(python), "PIP_CONFIG": config},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    log = (tmp_path / "pip.log").read_text().splitlines()
    installs = [line for line in log if "install" in line]
    pins = (tmp_path / "setup" / "requirements.txt").read_text().split()
    pin = next(pin for pin in pins if pin.startswith("torch=="))
    first = [line for line in installs if "whl/cpu" in line]
    assert bool(first) is expected
    if expected:
        assert installs[0] == first[0] and first[0].endswith(pin)
        assert "without CUDA" in done.stdout
    assert ("an index of your own" in done.stdout) is ("index" in config)
    assert "-r setup/requirements.txt" in installs[-2]
    assert installs[-1].endswith("--no-deps setup/phi3scaffold-0.whl")
