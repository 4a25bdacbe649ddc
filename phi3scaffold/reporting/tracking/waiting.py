"""Runs that wait on disk for MLflow: a file a run, which costs a training nothing.

A file begins with what is known at the start of a run, and has a line for each measurement; the
last one says how the run ended. One without an end belongs to a run that goes on, or that was
killed: its header names the process.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phi3scaffold.pipeline import protocol
from phi3scaffold.project.settings import Project

KILLED = "KILLED"  # as MLflow calls it


def waiting_folder(project: Project) -> Path:
    """Return where the files lie, beside the store."""
    return project.gen / "tracking" / "waiting"


def process_name() -> str:
    """Return a unique name of this process: host, number, start time."""
    return f"{platform.node()} {os.getpid()} {_start_time(os.getpid())}"


def has_ended(name: str) -> bool:
    """Return whether a process of this name ran on this machine, and does not any more."""
    host, pid, started = (name or " 0 0").rsplit(" ", 2)
    lives = abs(_start_time(int(pid)) - int(started)) < 60  # the clock may have been set
    return host == platform.node() and not lives


def _start_time(pid: int) -> int:
    """Return when the process started, in seconds since 1970; 0 where there is none."""
    import psutil

    with contextlib.suppress(psutil.Error):
        return int(psutil.Process(pid).create_time())
    return 0


class RunFile:
    """The file of a run that goes on; opened by its first line."""

    def __init__(self, project: Project, settings: dict[str, Any]) -> None:
        folder = waiting_folder(project)
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}-{time.monotonic_ns()}.jsonl"
        self._stream = (folder / name).open("wb")
        self.add({"process": process_name(), "settings": settings})

    def add(self, message: protocol.Message) -> None:
        """Write a line that is there after a `kill -9`."""
        self._stream.write(protocol.encode(message))
        self._stream.flush()

    def close(self, status: str) -> None:
        """Write how the run ended."""
        self.add({"end": status})
        self._stream.close()


@dataclass(frozen=True)
class WaitingRun:
    """A run that has ended and is not tracked yet.

    Attributes:
        path: of its file.
        settings: what was known at its start.
        measurements: as `Measurements.to_json` gives them.
        status: how it ended.
    """

    path: Path
    settings: dict[str, Any]
    measurements: list[dict[str, Any]]
    status: str


def waiting_runs(project: Project) -> Iterator[WaitingRun]:
    """Yield the runs that have ended, the first first; one that goes on is left alone."""
    for path in sorted(waiting_folder(project).glob("*.jsonl")):
        lines: list[dict[str, Any]] = []
        with contextlib.suppress(OSError, json.JSONDecodeError):  # a last line may be half written
            for line in path.read_bytes().splitlines():
                lines.append(protocol.decode(line))
        if not lines:
            continue
        header, *messages = lines
        ended = [one["end"] for one in messages if "end" in one]
        if ended or has_ended(header["process"]):
            measurements = [one for one in messages if "end" not in one]
            yield WaitingRun(path, header["settings"], measurements, (ended or [KILLED])[0])
