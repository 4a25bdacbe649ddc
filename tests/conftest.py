"""What every test may use: the package under test, and two projects trained once for all."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

import phi3scaffold
from tests.support import smollm2 as smollm2_maker


def pytest_report_header() -> str:
    """Which phi3scaffold is tested: `make test` runs against the installed wheel."""
    return f"phi3scaffold {phi3scaffold.__version__} from {phi3scaffold.__file__}"


def command(
    *words: str, cwd: Path, check: bool = True, home: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `phi3scaffold WORDS` as a user would; with `check`, its output is the error."""
    env = dict(os.environ)
    if home:
        env |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache")}
    done = subprocess.run(
        # -P: as the installed command, which takes no module from the folder it is typed in
        [sys.executable, "-P", "-m", "phi3scaffold", *words],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    if check and done.returncode:
        pytest.fail(f"phi3scaffold {' '.join(words)}: {done.returncode}\n{done.stderr}")
    return done


def trained(folder: Path, algo: str) -> Path:
    """A project made by `new` with the embedded model and brought through the whole pipeline.

    The home folder of these processes was empty, and lies beside it.
    """
    home = folder / "home"
    home.mkdir(exist_ok=True)
    answers = ("--algo", algo, "--target", "cpu", "--task", "classify", "--model", "tiny")
    command("new", "proj", *answers, "--defaults", cwd=folder, home=home)
    command("run", cwd=folder / "proj", home=home)
    return folder / "proj"


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that `make` fills, once for all workers of pytest-xdist, where there are several."""
    alone = "PYTEST_XDIST_WORKER" not in os.environ
    folder = (factory.getbasetemp() if alone else factory.getbasetemp().parent) / name
    with FileLock(f"{folder}.lock"):
        if not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)  # what failed for another
            folder.mkdir()
            make(folder)
            (folder / "done").touch()
    return folder


@pytest.fixture(scope="session")
def tiny_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The LoRA project. Read it; a test that changes something copies it first."""
    return once(tmp_path_factory, "trained-lora", lambda to: trained(to, "lora")) / "proj"


@pytest.fixture(scope="session")
def tiny_qlora_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The QLoRA project. Read it; a test that changes something copies it first."""
    return once(tmp_path_factory, "trained-qlora", lambda to: trained(to, "qlora")) / "proj"


@pytest.fixture(scope="session")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real model, in folders `phi3`, `llama` and `dithered`: tests/support/smollm2.py. Read only.

    Made in a process of its own: what it reads would stay in this one's memory.
    """

    def make(folder: Path) -> None:
        words = [sys.executable, str(Path(__file__).parent / "support" / "smollm2.py")]
        done = subprocess.run([*words, str(folder), "--each"], capture_output=True, text=True)
        last = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        if done.returncode == smollm2_maker.UNAVAILABLE:
            pytest.skip(last)
        assert not done.returncode, done.stderr[-2000:]

    return once(tmp_path_factory, "smollm2", make)


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The project of tests/support/planted.py after `data`, and what that printed. Read only."""
    from tests.support.planted import plant

    folder = plant(tmp_path_factory.mktemp("planted"))
    return folder, command("data", cwd=folder).stdout
