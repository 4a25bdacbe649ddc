"""Where the log of a run lies."""

from __future__ import annotations

from pathlib import Path

from phi3scaffold.pipeline import ranks
from phi3scaffold.project.settings import Project


def log_file(project: Project) -> Path:
    """Return the log of a run: what stages and their libraries print, in a file for each rank."""
    return project.gen / "logs" / f"run{rank_suffix()}.log"


def rank_suffix() -> str:
    """Return what tells this rank's files apart; nothing for rank 0."""
    number = ranks.here().number
    return f"-rank-{number}" if number else ""


def keep_last_log(project: Project) -> None:
    """Set the log of the run before aside; this run writes its own."""
    log = log_file(project)
    if log.exists():
        log.replace(log.with_name(f"{log.stem}-before.log"))
