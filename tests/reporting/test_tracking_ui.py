"""`phi3scaffold ui`: what it begins and ends, and where. The MLflow web UI is played by a stand-in:
the real ones take minutes to install."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.settings import Project, load_project
from phi3scaffold.reporting import tracking
from phi3scaffold.reporting.tracking import store_path, ui
from tests.conftest import command

ROOT = Path(__file__).resolve().parents[2]
# As MLflow's command: the server is a process of its own.
PLAYED = """#!{python}
import subprocess, sys
words = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory", "{folder}"]
port = sys.argv[sys.argv.index("--port") + 1]
assert sys.argv[1:4] == ["-m", "mlflow", "ui"]
sys.exit({code} or subprocess.call([*words, port]))
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with a tracked run, as far as `ui` looks at it, and no pages yet."""
    monkeypatch.delenv(tracking.URI, raising=False)
    root = shutil.copytree(ROOT / "examples" / "conversations-cuda", tmp_path / "proj")
    return load_project(Path(root))


@pytest.fixture
def shown(project: Project) -> Project:
    """`project` with a store of one run, and pages."""
    import sqlite3

    store_path(project).parent.mkdir(parents=True)
    with sqlite3.connect(store_path(project)) as opened:
        opened.execute("CREATE TABLE runs (experiment_id INTEGER, start_time INTEGER)")
        opened.execute("INSERT INTO runs VALUES (3, 1), (7, 2)")
    opened.close()
    put_pages(project, ui.pinned_version())
    return project


def put_pages(project: Project, version: str, code: int = 0) -> None:
    venv = project.root / ui.VENV
    shutil.rmtree(venv, ignore_errors=True)
    info = venv / "lib" / "python3.11" / "site-packages" / f"mlflow-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: mlflow\nVersion: {version}\n")
    (venv / "health").touch()
    python = venv / "bin" / "python"
    python.parent.mkdir()
    python.write_text(PLAYED.format(python=sys.executable, folder=venv, code=code))
    python.chmod(0o755)


@pytest.fixture
def begun(shown: Project) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "phi3scaffold", "ui"],
        cwd=shown.root,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_all_that_it_began(number: int, begun: subprocess.Popen[str]) -> None:
    assert begun.stdout is not None
    link = re.fullmatch(
        r"http://127\.0\.0\.1:(\d+)/#/experiments/7/runs\?\S+ \(Ctrl-C stops it\)\n",
        begun.stdout.readline(),
    )
    assert link  # once it answers, at the newest run's experiment
    family = psutil.Process(begun.pid).children(recursive=True)
    assert len(family) == 2
    heard = [one.laddr for child in family for one in child.net_connections()]
    assert {tuple(one) for one in heard} == {("127.0.0.1", int(link[1]))}
    begun.send_signal(number)
    assert begun.wait(20) == 0
    limit = time.monotonic() + 5
    while any(map(alive, family)):
        assert time.monotonic() < limit
        time.sleep(0.05)


def alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_pages_that_end_by_themselves(shown: Project) -> None:
    put_pages(shown, ui.pinned_version(), code=3)
    done = command("ui", cwd=shown.root, check=False)
    assert done.returncode == 1
    assert "The MLflow web UI ended by itself" in done.stderr and "ui.log" in done.stderr


def test_a_port_that_is_taken(shown: Project) -> None:
    with socket.create_server((ui.HOST, 0)) as taken:
        port = taken.getsockname()[1]
        done = command("ui", "--port", str(port), cwd=shown.root, check=False)
        assert done.returncode == 2 and str(port) in done.stderr


def test_without_a_port_a_free_one_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((ui.HOST, 0)) as taken:
        monkeypatch.setattr(ui, "PORT", taken.getsockname()[1])
        assert ui.free_port(None) not in (0, ui.PORT)
    assert ui.free_port(None) == ui.PORT
    with pytest.raises(ScaffoldError):
        ui.free_port(70000)


def test_pages_of_another_mlflow_are_not_those(shown: Project) -> None:
    """After an update, or where pip was interrupted, they are installed anew."""
    assert ui.is_installed(shown)
    put_pages(shown, "2.0.0")
    assert not ui.is_installed(shown)
    shutil.rmtree(shown.root / ui.VENV)
    assert not ui.is_installed(shown)


def test_the_pages_are_of_the_mlflow_that_writes_the_store() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    extras = tomllib.loads(text)["project"]["optional-dependencies"]
    assert extras["track"] == [f"mlflow-skinny=={ui.pinned_version()}"]
    lines = [line for line in ui.LOCK.read_text().splitlines() if not line.startswith("#")]
    assert len(lines) > 50
    assert [line for line in lines if not re.match(r"[\w.-]+==[\w.]+( ; |$)", line)] == []


def test_the_pages_are_for_this_machine_alone(project: Project) -> None:
    words = ui.command(project, 5001)
    assert words[words.index("--host") + 1] == "127.0.0.1"
    assert words[words.index("--backend-store-uri") + 1].startswith("sqlite:///")


def test_the_pages_say_why_there_are_none(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    none = command("ui", cwd=project.root, check=False)
    assert none.returncode == 2 and "No run of this project has been tracked yet" in none.stderr
    assert "fix:   phi3scaffold run\n" in none.stderr
    project.evaluation.mkdir(parents=True)  # what is up to date would be tracked by no run
    made = command("ui", cwd=project.root, check=False)
    assert "delete gen-model/evaluation" in made.stderr and "then phi3scaffold run" in made.stderr
    monkeypatch.setenv(tracking.URI, "http://me:open-sesame@elsewhere")
    elsewhere = command("ui", cwd=project.root, check=False)
    assert elsewhere.returncode == 2 and "http://elsewhere" in elsewhere.stderr
    assert "sesame" not in elsewhere.stderr
    assert not (project.root / ui.VENV).exists() and os.environ[tracking.URI]
