"""Copy a project, and change what its project.yaml says."""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml

from phi3scaffold.evaluation.limits import LIMITS


def untracked_copy(project: Path, to: Path) -> Path:
    """A copy at `to`, to be changed and run. MLflow would take seconds of each of its runs."""
    root = Path(shutil.copytree(project, to, symlinks=True))
    path = root / "project.yaml"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = "".join(line for line in lines if not line.startswith("tracking:"))
    path.write_text(f"{kept}\ntracking: false\n", encoding="utf-8")
    return root


def measure_only(project: Path, rows: int) -> None:
    """Ask every form `rows` rows, and switch the gate off: for models that learned nothing.

    MLflow is off, too.
    """
    path = project / "project.yaml"
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    settings["evaluate"] = {"rows": rows}
    settings["tracking"] = False
    settings["gate"] = dict.fromkeys(LIMITS)
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
