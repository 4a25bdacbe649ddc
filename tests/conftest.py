"""What every test may use: the package under test, and two projects trained once for all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import phi3scaffold


def pytest_report_header() -> str:
    """Which phi3scaffold is tested: `make test` runs against the installed wheel."""
    return f"phi3scaffold {phi3scaffold.__version__} from {phi3scaffold.__file__}"


def command(*words: str, cwd: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run `phi3scaffold WORDS` as a user would; with `check`, its output is the error."""
    done = subprocess.run(
        [sys.executable, "-m", "phi3scaffold", *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    if check and done.returncode:
        pytest.fail(f"phi3scaffold {' '.join(words)}: {done.returncode}\n{done.stderr}")
    return done


def trained(folder: Path, algo: str) -> Path:
    """A project made by `new` with the embedded model and brought through the whole pipeline."""
    answers = ("--algo", algo, "--target", "cpu", "--task", "classify", "--model", "tiny")
    command("new", "proj", *answers, "--defaults", cwd=folder)
    command("run", cwd=folder / "proj")
    return folder / "proj"


@pytest.fixture(scope="session")
def tiny_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The LoRA project. Read it; a test that changes something copies it first."""
    return trained(tmp_path_factory.mktemp("lora"), "lora")


@pytest.fixture(scope="session")
def tiny_qlora_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The QLoRA project. Read it; a test that changes something copies it first."""
    return trained(tmp_path_factory.mktemp("qlora"), "qlora")


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The project of tests/support/planted.py after `data`, and what that printed. Read only."""
    from tests.support.planted import plant

    folder = plant(tmp_path_factory.mktemp("planted"))
    return folder, command("data", cwd=folder).stdout
