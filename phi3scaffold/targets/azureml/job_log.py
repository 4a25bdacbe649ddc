"""Follow a job: its events as those of a local run, its state, how it ended.

`jobs.stream` of the SDK is not used: it prints, and fails where the datastore gives out no key.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from phi3scaffold.pipeline.events import Emit, Note
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.targets.azureml.errors import AzureUnreachable
from phi3scaffold.targets.azureml.job_record import JobRecord
from phi3scaffold.targets.azureml.workspace import ARTIFACTS, ENDED, Workspace
from phi3scaffold.targets.job_outcome import JobOutcome

SOON, SELDOM = 0.5, 5.0  # seconds between two looks: in a job's first seconds, in its hours
PATIENCE = 900.0  # seconds without an answer before it gives up watching


def follow(workspace: Workspace, record: JobRecord, emit: Emit) -> JobOutcome:
    """Watch the job to its end; a connection that is gone for a while is waited for.

    Raises:
        ScaffoldError: there is no such job, or Azure has not answered for `PATIENCE` seconds.
    """
    outcome, log = JobOutcome(), JobLog(workspace, record)
    begun = time.monotonic()
    silent_since: float | None = None
    while True:
        try:
            state = workspace.state(record.name)
            for line in log.lines(ended=state in ENDED):
                outcome.read(line, emit)
            silent_since = None
        except AzureUnreachable as error:
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


class JobLog:
    """What a job prints, from where it was last read.

    Azure ML appends to ``user_logs/std_log.txt``; with several processes each has a file, and the
    first of them is read.
    """

    def __init__(self, workspace: Workspace, record: JobRecord) -> None:
        self.workspace = workspace
        self.prefix = f"ExperimentRun/dcid.{record.name}/user_logs/std_log"
        self._container: Any = None
        self._read = 0
        self._rest = b""

    def lines(self, *, ended: bool = False) -> Iterator[str]:
        """Yield the whole lines that are new; with `ended`, also an unfinished last one."""
        if self._container is None:
            self._container = self.workspace.container(ARTIFACTS)
        with self.workspace.translated_errors():
            blobs = self._container.list_blobs(name_starts_with=self.prefix)
            files = sorted(blobs, key=lambda blob: blob.name)
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


def job_page(record: JobRecord) -> str:
    """Return the address of the job's page."""
    return f"https://ml.azure.com/runs/{record.name}?wsid={record.settings.path}"
