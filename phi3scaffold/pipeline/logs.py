"""Where the log of a run lies."""

from __future__ import annotations

from pathlib import Path

from phi3scaffold.pipeline import ranks
from phi3scaffold.project.settings import Project


def log_file(project: Project) -> Path:
    """Where everything that stages and their libraries say goes, for each rank."""
    return project.gen / "logs" / f"run{rank_suffix()}.log"


def rank_suffix() -> str:
    number = ranks.here().number
    return f"-rank-{number}" if number else ""


def keep_last_log(project: Project) -> None:
    """A run writes a log of its own; the one before it stays beside it."""
    log = log_file(project)
    if log.exists():
        log.replace(log.with_name(f"{log.stem}-before.log"))
