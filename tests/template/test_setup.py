"""setup/setup.sh: which torch, which files, which wheel. pip itself only notes its words."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = f"""#!/bin/sh
case "$1 $2" in
"-m venv") mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; cp "$0" "$3/bin/phi3scaffold" ;;
"-m pip")
    echo "$*" >> pip.log
    case "$*" in *"config list"*) echo "$PIP_CONFIG" ;; esac ;;
"-I -c")
    case "$3" in *importlib*) echo "$TORCH_VERSION" ;; *) exec {sys.executable} "$@" ;; esac ;;
esac
"""
WHEEL = "phi3scaffold-0.whl"
LOCK = "--require-hashes -r"

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux has two builds of torch"
)


@dataclass(frozen=True)
class SetupRun:
    """What the script did in a project: its result, and the words of each `pip install`."""

    done: subprocess.CompletedProcess[str]
    installs: list[str]
    folder: Path


def set_up(folder: Path, target: str = "phrase-tone", **environment: str) -> SetupRun:
    """Run setup.sh in a copy of an example, to which nothing happens if it is there already."""
    if not (folder / "setup").exists():
        shutil.copytree(ROOT / "examples" / target / "setup", folder / "setup")
        (folder / "setup" / WHEEL).write_bytes(b"code")
        recorded = hashlib.sha256(b"code").hexdigest()
        (folder / ".copier-answers.yml").write_text(f"_commit: v1\n_wheel: sha256:{recorded}\n")
    python = folder / "python"
    python.write_text(PYTHON)
    python.chmod(0o755)
    variables = {"PATH": "/usr/bin:/bin", "PYTHON": str(python), "TORCH_VERSION": "2.13.0+cpu"}
    done = subprocess.run(
        ["sh", "setup/setup.sh"],
        cwd=folder,
        env=variables | environment,
        capture_output=True,
        text=True,
    )
    log = folder / "pip.log"
    lines = log.read_text().splitlines() if log.exists() else []
    return SetupRun(done, [line for line in lines if "install" in line], folder)


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
    run = set_up(tmp_path, target, PIP_CONFIG=config)
    assert run.done.returncode == 0, run.done.stderr
    pins = (tmp_path / "setup" / "requirements.txt").read_text().split()
    pin = next(pin for pin in pins if pin.startswith("torch=="))
    first = [line for line in run.installs if "whl/cpu" in line]
    assert bool(first) is expected
    if expected:
        assert run.installs[0] == first[0] and first[0].endswith(pin)
        assert "without CUDA" in run.done.stdout
    assert ("an index of your own" in run.done.stdout) is ("index" in config)
    assert LOCK in run.installs[-2]
    assert run.installs[-1].endswith(f"--no-deps setup/{WHEEL}")


def locked(run: SetupRun) -> str:
    """What pip was to install with hashes, and nothing else but torch and the wheel."""
    (words,) = [line for line in run.installs if LOCK in line]
    return (run.folder / words.rpartition(" ")[2]).read_text()


def test_what_only_cuda_needs_is_left_out_beside_the_cpu_build(tmp_path: Path) -> None:
    text = locked(set_up(tmp_path))
    assert "\nnumpy==" in text
    assert not [name for name in ("torch==", "nvidia-", "cuda-", "triton") if f"\n{name}" in text]


def test_an_index_with_the_cuda_build_brings_what_that_needs(tmp_path: Path) -> None:
    text = locked(set_up(tmp_path, PIP_CONFIG="global.index-url=x", TORCH_VERSION="2.13.0"))
    assert "\nnvidia-cublas==" in text
    assert "\ntorch==" not in text  # the index has its own, installed before


@pytest.mark.parametrize(
    ("target", "choice"), [("conversations-cuda", ""), ("phrase-tone", "locked")]
)
def test_pypis_torch_is_compared_too(target: str, choice: str, tmp_path: Path) -> None:
    run = set_up(tmp_path, target, TORCH=choice)
    assert "\ntorch==2.13.0 --hash=sha256:" in locked(run)
    assert len(run.installs) == 2  # that, and the wheel


def test_every_line_of_the_lock_has_a_hash(tmp_path: Path) -> None:
    for path in (ROOT / "examples").glob("*/setup/requirements*.lock"):
        lines = [line for line in path.read_text().splitlines() if line[0] not in "#-"]
        assert len(lines) > 40, path
        assert [line for line in lines if "==" not in line or "--hash=sha256:" not in line] == []
        pins = path.with_suffix(".txt").read_text().splitlines()
        have = {line.partition(" ")[0] for line in lines}
        assert [pin for pin in pins if "==" in pin and pin not in have] == []


@pytest.mark.parametrize("line", ["mine>=1", "numpy==0.1", "-r more.txt", "./mine.whl"])
def test_what_was_added_is_told_and_installed(line: str, tmp_path: Path) -> None:
    run = set_up(tmp_path)
    assert not [words for words in run.installs if words.endswith("-r setup/requirements.txt")]
    (tmp_path / "pip.log").unlink()
    with (tmp_path / "setup" / "requirements.txt").open("a") as file:
        file.write(f"{line}\n")
    run = set_up(tmp_path)
    assert f"has no sha256 in setup/requirements.lock: {line}" in run.done.stdout
    assert run.installs[-2].endswith("-r setup/requirements.txt")


@pytest.mark.parametrize("change", ["wheel", "record", "answers"])
def test_another_wheel_is_not_installed(change: str, tmp_path: Path) -> None:
    set_up(tmp_path)
    (tmp_path / "pip.log").unlink()
    if change == "wheel":
        (tmp_path / "setup" / WHEEL).write_bytes(b"other code")
    elif change == "record":
        (tmp_path / ".copier-answers.yml").write_text("_commit: v1\n")
    else:
        (tmp_path / ".copier-answers.yml").unlink()
    run = set_up(tmp_path)
    assert run.done.returncode == 2
    assert "is not the wheel that .copier-answers.yml names" in run.done.stderr
    assert run.installs == []


def test_the_line_ends_of_windows_are_the_same_record(tmp_path: Path) -> None:
    set_up(tmp_path)
    answers = tmp_path / ".copier-answers.yml"
    answers.write_bytes(answers.read_bytes().replace(b"\n", b"\r\n"))
    assert set_up(tmp_path).done.returncode == 0
