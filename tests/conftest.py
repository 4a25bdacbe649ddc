"""What every test may use: the package under test, and two projects trained once for all."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

import phi3scaffold


def pytest_report_header() -> str:
    """Which phi3scaffold is tested: `make test` runs against the installed wheel."""
    return f"phi3scaffold {phi3scaffold.__version__} from {phi3scaffold.__file__}"


def command(*words: str, cwd: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run `phi3scaffold WORDS` as a user would; with `check`, its output is the error."""
    done = subprocess.run(
        # -P: as the installed command, which takes no module from the folder it is typed in
        [sys.executable, "-P", "-m", "phi3scaffold", *words],
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


def once(factory: pytest.TempPathFactory, algo: str) -> Path:
    """`trained`, once for all workers of pytest-xdist, where there are several."""
    alone = "PYTEST_XDIST_WORKER" not in os.environ
    folder = (factory.getbasetemp() if alone else factory.getbasetemp().parent) / f"trained-{algo}"
    with FileLock(f"{folder}.lock"):
        if not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)  # what failed for another
            folder.mkdir()
            trained(folder, algo)
            (folder / "done").touch()
    return folder / "proj"


@pytest.fixture(scope="session")
def tiny_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The LoRA project. Read it; a test that changes something copies it first."""
    return once(tmp_path_factory, "lora")


@pytest.fixture(scope="session")
def tiny_qlora_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The QLoRA project. Read it; a test that changes something copies it first."""
    return once(tmp_path_factory, "qlora")


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The project of tests/support/planted.py after `data`, and what that printed. Read only."""
    from tests.support.planted import plant

    folder = plant(tmp_path_factory.mktemp("planted"))
    return folder, command("data", cwd=folder).stdout
