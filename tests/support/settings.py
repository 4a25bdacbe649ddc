"""Change what a project's project.yaml says."""

from __future__ import annotations

from pathlib import Path

import yaml

from phi3scaffold.limits import LIMITS


def measure_only(project: Path, rows: int) -> None:
    """Ask every form `rows` rows, and switch the gate off: for models that learned nothing."""
    path = project / "project.yaml"
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    settings["evaluate"] = {"rows": rows}
    settings["gate"] = dict.fromkeys(LIMITS)
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
