"""Tell what a job tells: its events as a local run's, its state, how it ended.

`jobs.stream` of the SDK is not used: it prints, and fails where the datastore gives out no key.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from phi3scaffold.pipeline.events import Emit, Event, Failure, Note, StageEnded, from_json
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError
from phi3scaffold.targets.azureml.job_record import Record
from phi3scaffold.targets.azureml.workspace import ARTIFACTS, ENDED, Unreachable, Workspace

SOON, SELDOM = 0.5, 5.0  # seconds between two looks: in a job's first seconds, in its hours
PATIENCE = 900.0  # seconds without an answer before it gives up watching
LAST = 20  # lines of the log that a failure shows


@dataclass
class Outcome:
    """How a job ended.

    Attributes:
        state: one of `ENDED`.
        error: what the job said was wrong.
        stages: those that it finished.
        tail: the last lines that were no events.
    """

    state: str = ""
    error: ScaffoldError | None = None
    stages: set[str] = field(default_factory=set)
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=LAST))

    def failure(self, record: Record) -> ScaffoldError | None:
        """The error that this end is; None for a job that completed."""
        if self.state == "Completed":
            return None
        if self.state == "Canceled":
            return ScaffoldError(
                f"The job {record.name} was cancelled.",
                fix="start it again: phi3scaffold job submit",
                exit_code=FAILED_RUN,
            )
        if self.error is not None:
            return self.error
        told = "".join(f"\n    {line}" for line in self.tail)
        return ScaffoldError(
            f"The job {record.name} failed." + (f" Its last lines:{told}" if told else ""),
            where=studio(record),
            fix="what it said: phi3scaffold job logs; in the studio also what Azure ML itself says",
            exit_code=FAILED_RUN,
        )


def follow(workspace: Workspace, record: Record, emit: Emit) -> Outcome:
    """Watch the job to its end; a connection that is gone for a while is waited for.

    Raises:
        ScaffoldError: there is no such job, or Azure has not answered for `PATIENCE` seconds.
    """
    outcome, log = Outcome(), Log(workspace, record)
    begun = time.monotonic()
    silent_since: float | None = None
    while True:
        try:
            state = workspace.state(record.name)
            for line in log.lines(ended=state in ENDED):
                take(line, outcome, emit)
            silent_since = None
        except Unreachable as error:
            silent_since = silent_since or time.monotonic()
            if time.monotonic() - silent_since > PATIENCE:
                raise
            emit(Note("azure", f"{error.what} Trying again."))
            _wait(begun)
            continue
        if state is None:
            raise ScaffoldError(
                f"There is no job {record.name} any more.",
                where=f"workspace {record.workspace}",
                fix="submit it again: phi3scaffold job submit",
            )
        if state != outcome.state:
            outcome.state = state
            emit(Note("azure", f"job {record.name}: {state}"))
        if state in ENDED:
            return outcome
        _wait(begun)


def _wait(begun: float) -> None:
    time.sleep(min(SELDOM, max(SOON, (time.monotonic() - begun) / 20)))


def take(line: str, outcome: Outcome, emit: Emit) -> None:
    """One line of the log: an event is handed on, anything else is kept for a failure."""
    event = read_event(line)
    if event is None:
        if line.strip():
            outcome.tail.append(line.rstrip())
    elif isinstance(event, Failure):
        outcome.error = event.error
    else:
        if isinstance(event, StageEnded):
            outcome.stages.add(event.stage)
        emit(event)


def read_event(line: str) -> Event | None:
    """Return the event that a line of the log is; None for any other line."""
    if not line.startswith('{"kind"'):
        return None
    try:
        return from_json(json.loads(line))
    except ValueError:
        return None


class Log:
    """What a job prints, from where it was last read.

    Azure ML appends to ``user_logs/std_log.txt``; with several processes each has a file, and the
    first of them is read.
    """

    def __init__(self, workspace: Workspace, record: Record) -> None:
        self.workspace = workspace
        self.prefix = f"ExperimentRun/dcid.{record.name}/user_logs/std_log"
        self._container: Any = None
        self._read = 0
        self._rest = b""

    def lines(self, *, ended: bool = False) -> Iterator[str]:
        """The whole lines that are new; with `ended`, also an unfinished last one."""
        if self._container is None:
            self._container = self.workspace.container(ARTIFACTS)
        with self.workspace.told():
            files = sorted(
                self._container.list_blobs(name_starts_with=self.prefix), key=lambda b: b.name
            )
            if not files:
                return
            if files[0].size < self._read:  # a job that was started again begins a new file
                self._read, self._rest = 0, b""
            if files[0].size > self._read:
                length = files[0].size - self._read
                blob = self._container.download_blob(files[0].name, self._read, length)
                new = blob.readall()
                self._read += len(new)
                self._rest += new
        *whole, self._rest = self._rest.split(b"\n")
        if ended and self._rest:
            whole, self._rest = [*whole, self._rest], b""
        yield from (line.decode(errors="replace") for line in whole)


def studio(record: Record) -> str:
    """The job's page."""
    scope = f"/subscriptions/{record.subscription_id}/resourceGroups/{record.resource_group}"
    place = f"{scope}/providers/Microsoft.MachineLearningServices/workspaces/{record.workspace}"
    return f"https://ml.azure.com/runs/{record.name}?wsid={place}"
