"""Show the project's store in MLflow's own pages, on this machine alone.

The pages belong to the full MLflow, which needs older packages than training does, so they have an
environment of their own: .venv-ui, created when it is first needed, with what ui.lock pins. It is
what `uv tool run mlflow` or pipx would make; venv and pip do it where neither is installed.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from phi3scaffold.pipeline import environment
from phi3scaffold.pipeline.atomic_folder import signals_handled
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError
from phi3scaffold.project.settings import Project
from phi3scaffold.reporting.tracking import URI, store_path, tracking_uri, without_credentials

VENV = ".venv-ui"
HOST = "127.0.0.1"
PORT = 5000  # MLflow's; macOS uses it itself
LOCK = Path(__file__).with_name("ui.lock")
TRAINING = "workflowType=machine_learning"  # else MLflow shows what belongs to agents
START = 120.0  # seconds that the pages may take to come up
STOP = 5.0  # seconds that they get to end


def check_store(project: Project) -> None:
    """Refuse where there is nothing to show here."""
    if os.environ.get(URI):
        there = without_credentials(os.environ[URI])
        raise ScaffoldError(
            f"Runs are tracked elsewhere: {URI} is set.",
            fix=f"open {there}; or unset {URI} to see this project's own store",
        )
    if not store_path(project).is_file():
        steps = [] if project.tracking else ["tracking: true in project.yaml"]
        if project.evaluation.exists():  # a run with everything up to date is not tracked
            steps.append("delete gen-model/evaluation, so that it is measured again")
        raise ScaffoldError(
            "No run of this project has been tracked yet.",
            where=store_path(project),
            fix="; then ".join([*steps, "phi3scaffold run"]),
        )


def free_port(wanted: int | None) -> int:
    """Return a port for the pages: `wanted`; by default `PORT`, or any where that is in use.

    Raises:
        ScaffoldError: `wanted` is in use, or may not be used.
    """
    for port in (PORT, 0) if wanted is None else (wanted,):
        with contextlib.suppress(OSError, OverflowError), socket.socket() as probe:
            if sys.platform != "win32":  # there it would find a port free that is not
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            return int(probe.getsockname()[1])
    raise ScaffoldError(
        f"Port {wanted} of {HOST} cannot be used: it is in use, or needs other permissions.",
        fix="leave --port out to use a free one",
    )


def command(project: Project, port: int) -> list[str]:
    """Return the command that shows the store at http://127.0.0.1:`port`."""
    where = ["--backend-store-uri", tracking_uri(project), "--host", HOST, "--port", str(port)]
    quiet = ["--workers", "1", "--uvicorn-opts", "--log-level warning"]
    return [str(python(project)), "-m", "mlflow", "ui", *where, *quiet]


def python(project: Project) -> Path:
    """Return the Python that has the MLflow web UI: this one, or that of `VENV`."""
    if _installed("mlflow"):
        return Path(sys.executable)
    names = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
    return project.root.joinpath(VENV, *names)


def is_installed(project: Project) -> bool:
    """Return whether the pages of the pinned MLflow are there; another cannot read the store."""
    if _installed("mlflow"):
        return True
    places = [str(path) for path in (project.root / VENV).glob("[lL]ib/**/site-packages")]
    there = {one.version for one in importlib.metadata.distributions(name="mlflow", path=places)}
    return python(project).exists() and there == {pinned_version()}


def pinned_version() -> str:
    """Return the version of the MLflow web UI."""
    (version,) = re.findall(r"^mlflow==(\S+)", LOCK.read_text(encoding="utf-8"), re.M)
    return str(version)


def install(project: Project) -> None:
    """Create `VENV` with what ui.lock pins.

    Raises:
        ScaffoldError: exit code 1, pip failed; its messages are above.
    """
    folder = project.root / VENV
    pip = [str(python(project)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for words in ([sys.executable, "-m", "venv", str(folder)], [*pip, "-r", str(LOCK)]):
        if subprocess.run(words, check=False).returncode:
            raise ScaffoldError(
                "The MLflow web UI could not be installed.",
                where=folder,
                fix=f"fix the problem above; or by hand: {' '.join(map(str, words))}",
                exit_code=FAILED_RUN,
            )


def serve(project: Project, port: int, ready: Callable[[str], None]) -> None:
    """Show the pages until Ctrl-C or SIGTERM; then none of their processes is left.

    Args:
        ready: takes the address of the newest run's experiment, once it answers.

    Raises:
        ScaffoldError: exit code 1, MLflow ended by itself or does not answer.
    """
    environment.prepare()
    quiet = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # seven processes
    log = project.gen / "logs" / "ui.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    words = command(project, port)
    as_ctrl_c = signals_handled(signal.default_int_handler, "SIGTERM")
    with contextlib.suppress(KeyboardInterrupt), as_ctrl_c, log.open("wb") as stream:
        process = subprocess.Popen(
            words, env=quiet, stdout=stream, stderr=stream, start_new_session=True
        )
        try:
            if _answers(process, port):
                ready(f"http://{HOST}:{port}/#/experiments/{_newest(project)}/runs?{TRAINING}")
                process.wait()
        finally:
            ended = process.poll()
            _end(process)
        raise ScaffoldError(
            "The MLflow web UI ended by itself."
            if ended is not None
            else f"The MLflow web UI does not answer after {START:.0f} s.",
            where=log,
            fix=f"read it; if {VENV} is broken, delete it",
            exit_code=FAILED_RUN,
        )


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until the pages are up; False: they ended, or took more than `START`."""
    limit = time.monotonic() + START
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # it is on this machine
    while process.poll() is None and time.monotonic() < limit:
        with contextlib.suppress(OSError), opener.open(f"http://{HOST}:{port}/health", timeout=5):
            return True
        time.sleep(0.2)
    return False


def _newest(project: Project) -> int:
    """Return the experiment of the newest run; 0, MLflow's own, where there is none."""
    place = f"{store_path(project).as_uri()}?mode=ro"
    newest = "SELECT experiment_id FROM runs ORDER BY start_time DESC LIMIT 1"
    with contextlib.closing(sqlite3.connect(place, uri=True)) as opened:
        return int((opened.execute(newest).fetchone() or (0,))[0])


def _end(process: subprocess.Popen[bytes]) -> None:
    """End MLflow's command and the server that it started."""
    import psutil

    with contextlib.suppress(psutil.Error):
        parent = psutil.Process(process.pid)
        family = [*parent.children(recursive=True), parent]
        for one in family:
            with contextlib.suppress(psutil.Error):
                one.terminate()
        for one in psutil.wait_procs(family, timeout=STOP)[1]:
            with contextlib.suppress(psutil.Error):
                one.kill()
    process.wait()


def _installed(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
