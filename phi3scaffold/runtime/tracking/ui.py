"""MLflow's pages over the project's store, on this machine alone.

They belong to the whole of MLflow, which asks for older packages than training does, so they have
an environment of their own: .venv-ui, made when it is first asked for.
"""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

from phi3scaffold.errors import FAILED_RUN, ScaffoldError
from phi3scaffold.project import Project
from phi3scaffold.runtime import environment
from phi3scaffold.runtime.tracking import URI, address, store

VENV = ".venv-ui"
HOST = "127.0.0.1"


def check_store(project: Project) -> None:
    """Raise ScaffoldError where there is nothing to show here."""
    if os.environ.get(URI):
        raise ScaffoldError(
            f"Runs are tracked elsewhere: {URI} is set.",
            fix=f"open {os.environ[URI]}; or unset {URI} to see this project's own store",
        )
    if not store(project).is_file():
        raise ScaffoldError(
            "No run of this project has been tracked yet.",
            where=store(project),
            fix="phi3scaffold run"
            if project.tracking
            else "tracking: true in project.yaml, then phi3scaffold run",
        )


def command(project: Project, program: Path, port: int) -> list[str]:
    """What shows the store at http://127.0.0.1:`port`."""
    shown = ["ui", "--backend-store-uri", address(project), "--host", HOST, "--port", str(port)]
    return [str(program), *shown, "--workers", "1"]


def program(project: Project) -> Path:
    """MLflow's own command with its pages, where it is installed here or in `VENV`; or where it
    will be."""
    here = Path(sys.executable).parent
    names = ("Scripts", "mlflow.exe") if os.name == "nt" else ("bin", "mlflow")
    if _installed("mlflow") and (here / names[1]).is_file():
        return here / names[1]
    return project.root.joinpath(VENV, *names)


def install(project: Project) -> None:
    """Make `VENV`, of the same MLflow that writes the store.

    Raises:
        ScaffoldError: exit code 1, pip failed; what it said stands above.
    """
    version = _installed("mlflow-skinny") or _installed("mlflow")
    if version is None:
        raise ScaffoldError("MLflow is not installed here.", where=project.root, fix="make setup")
    folder = project.root / VENV
    python = program(project).with_name("python.exe" if os.name == "nt" else "python")
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for words in ([sys.executable, "-m", "venv", str(folder)], [*pip, f"mlflow=={version}"]):
        if subprocess.run(words, check=False).returncode:
            raise ScaffoldError(
                "MLflow's pages could not be installed.",
                where=folder,
                fix=f"mend what stands above; or by hand: {' '.join(map(str, words))}",
                exit_code=FAILED_RUN,
            )


def serve(project: Project, port: int) -> int:
    """Show the pages until Ctrl-C; returns the exit code."""
    environment.prepare()
    quiet = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # seven processes
    try:
        words = command(project, program(project), port)
        return subprocess.run(words, env=quiet, check=False).returncode
    except KeyboardInterrupt:
        return 0


def _installed(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
