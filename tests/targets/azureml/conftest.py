"""One loopback for all tests of jobs; each test gets a project of its own."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.conftest import command
from tests.e2e.test_pipeline import shorten
from tests.support.azure.blobs import find_azurite
from tests.support.azure.loopback import Loopback
from tests.support.inner_make import inner_make
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
def emitted(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """algo -> a project that trains for one step; QLoRA's for Arc. Copied by `project`."""
    folder = tmp_path_factory.mktemp("aml")

    def make(algo: str) -> Path:
        if not (folder / algo).exists():
            target = "arc" if algo == "qlora" else "aml"
            answers = ("--algo", algo, "--target", target, "--task", "classify")
            command("new", algo, *answers, "--model", "tiny", "--defaults", "--no-git", cwd=folder)
            shorten(folder / algo, 1)
            measure_only(folder / algo, rows=4)
        return folder / algo

    return make


@pytest.fixture
def project(request: pytest.FixtureRequest, emitted: Callable[[str], Path], tmp_path: Path) -> Path:
    """A project of its own; for LoRA, where the test has no parameter `algo`."""
    callspec = getattr(request.node, "callspec", None)
    algo = callspec.params.get("algo", "lora") if callspec else "lora"
    return Path(shutil.copytree(emitted(algo), tmp_path / "proj"))


def command_of(project: Path, text: str) -> None:
    """Let the job run `text`, with the inputs that it uses; only what it makes is brought back."""
    path = project / "fine-tuning" / "job.yml"
    job = yaml.safe_load(path.read_text())
    job["command"] = text
    for kind in ("inputs", "outputs"):
        job[kind] = {k: v for k, v in job[kind].items() if f"{{{kind}.{k}}}" in text}
    path.write_text(yaml.safe_dump(job))
    settings = project / "project.yaml"
    content = yaml.safe_load(settings.read_text())
    content["azure"]["fetch"] = ["adapter"] if "/adapter" in text else []
    settings.write_text(yaml.safe_dump(content))


@pytest.fixture
def make(azure: Loopback, project: Path) -> Run:
    """`make WORDS` in the project, as a person types it."""

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        known = {"PHI3SCAFFOLD": f"{sys.executable} -m phi3scaffold", "PYTHON": sys.executable}
        done = subprocess.run(
            ["make", *words],
            cwd=project,
            capture_output=True,
            text=True,
            env={**inner_make(azure.environment), **known},
            timeout=300,
        )
        if done.returncode:
            pytest.fail(f"make {' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    return call


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
