"""One loopback for all tests of jobs; each test gets a project of its own."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import command
from tests.e2e.test_pipeline import shorten
from tests.support.azure.blobs import find_azurite
from tests.support.azure.loopback import Loopback
from tests.support.settings import measure_only

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def loopback(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loopback]:
    """Azure on this machine; skipped where Azurite or the SDK is not installed."""
    if find_azurite() is None:
        pytest.skip("Azurite is not installed: npm install azurite")
    if importlib.util.find_spec("azure") is None:
        pytest.skip("Azure's SDK is not installed: the extra [aml]")
    with Loopback(tmp_path_factory.mktemp("azure")) as running:
        yield running


@pytest.fixture
def azure(loopback: Loopback) -> Iterator[Loopback]:
    """The loopback, with nothing switched on."""
    yield loopback
    loopback.reset()


@pytest.fixture(scope="session")
def emitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project for Azure ML that trains for one step. Copied by `project`."""
    folder = tmp_path_factory.mktemp("aml")
    answers = ("--algo", "lora", "--target", "aml", "--task", "classify", "--model", "tiny")
    command("new", "proj", *answers, "--defaults", "--no-git", cwd=folder)
    shorten(folder / "proj", 1)
    measure_only(folder / "proj", rows=4)
    return folder / "proj"


@pytest.fixture
def project(emitted: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(emitted, tmp_path / "proj"))


@pytest.fixture
def quick(project: Path) -> Path:
    """The same with a job that takes no time: its command is the test's, through `say`."""
    return project


@pytest.fixture
def run(azure: Loopback, project: Path) -> Run:
    """`phi3scaffold WORDS` in the project, with Azure in reach."""

    def call(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "phi3scaffold", *words],
            cwd=project,
            capture_output=True,
            text=True,
            env=azure.environment,
            timeout=300,
        )
        if check and done.returncode:
            pytest.fail(f"phi3scaffold {' '.join(words)}: {done.returncode}\n{done.stderr}")
        return done

    return call
