"""Track runs with MLflow: events come in; metrics, parameters and files go out to its store.

The store is that of MLFLOW_TRACKING_URI, as in Azure ML; else a file of the project. MLflow takes
seconds of processor time to import and to create a store, so a child process of lower priority
does it: beside the training for a server, where people watch the run; for the project's own store
at the end, from a file of measurements (`waiting`), which a `kill -9` leaves for the next run.
Tracking never ends a run: what fails is reported once. Models are not logged (Azure ML lacks that
endpoint), nor rows, apart from those in the report.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import queue
import re
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from phi3scaffold.pipeline import protocol, ranks
from phi3scaffold.pipeline.events import Emit, Event, Note, StageEnded, StageStarted, Step
from phi3scaffold.pipeline.logs import log_file
from phi3scaffold.pipeline.stage import Stage
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.formatting import duration
from phi3scaffold.project.settings import Project
from phi3scaffold.reporting.tracking.measurements import measure
from phi3scaffold.reporting.tracking.run_settings import RunSettings
from phi3scaffold.reporting.tracking.waiting import RunFile, waiting_runs

URI = "MLFLOW_TRACKING_URI"
PATIENCE = 60.0  # seconds that a finished run waits, at most, for a slow store


def store_path(project: Project) -> Path:
    """Return the local store; `make clean` leaves it, as it cannot be computed again."""
    return project.gen / "tracking" / "mlflow.db"


def tracking_uri(project: Project) -> str:
    """Return where runs are tracked, as MLflow writes it."""
    return os.environ.get(URI) or f"sqlite:///{store_path(project).as_posix()}"


def without_credentials(text: str) -> str:
    """Return a text without the names and passwords in its addresses, for people and logs."""
    return re.sub(r"//[^/@]*@", "//", text)


@contextlib.contextmanager
def track_run(
    project: Project, emit: Emit, stages: Mapping[str, Stage], *, here: bool = True
) -> Iterator[Emit]:
    """Give a sink for the pipeline's events that hands them on to `emit` and tracks them.

    Args:
        project: whose `tracking` may switch it off.
        emit: takes the events, and notes of what could not be tracked.
        stages: the graph: a run is recorded from the first stage on that says so.
        here: whether to track into the project where MLFLOW_TRACKING_URI is not set.
    """
    first = ranks.here().number == 0  # of the processes of one training
    if not (project.tracking and first and (here or os.environ.get(URI))):
        yield emit
        return
    run = TrackedRun(project, emit, stages)
    status = "FAILED"
    try:
        yield run.take
        status = "FINISHED"
    except ScaffoldError:
        status = "FINISHED" if run.has_verdict else status  # every stage ran
        raise
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        run.close(status)


class TrackedRun:
    """One run of the pipeline and what tracks it, if there is anything to track.

    Attributes:
        has_verdict: whether a stage has given its verdict, which may end a run that made it all.
    """

    def __init__(self, project: Project, emit: Emit, stages: Mapping[str, Stage]) -> None:
        self.project, self.emit, self._stages = project, emit, stages
        self.has_verdict = False
        self._stage: Stage | None = None  # that runs
        self._before: list[dict[str, Any]] = []
        self._outlet: TrackingProcess | RunFile | None = None
        self._off = False

    def take(self, event: Event) -> None:
        """Hand an event on, and track it where it has something to track."""
        self.emit(event)
        if isinstance(event, StageStarted | StageEnded):
            self._stage = self._stages.get(event.stage)
        elif not (isinstance(event, Step) and event.loss is not None):
            return
        if isinstance(event, StageEnded) and self._stage and self._stage.judge:
            self.has_verdict = True
        if self._off:
            return
        measured = measure(event, self._stage, self.project).to_json()
        if self._outlet is None:
            self._before.append(measured)
            tracking = self._stage.tracking if self._stage else None
            if isinstance(event, StageStarted) and tracking and tracking.starts_run:
                self._start()
            return
        try:
            self._outlet.add(measured)
        except OSError as error:
            self._stop(f"The run is not tracked to its end: {error}")

    def close(self, status: str) -> None:
        """Report how the run ended, and wait until all of it is tracked.

        One that Ctrl-C has ended waits on disk for the next: MLflow takes seconds.
        """
        if self._outlet is None:
            return
        try:
            self._outlet.close(status)
            if status == "KILLED" and isinstance(self._outlet, RunFile):
                return
            process = (
                self._outlet
                if isinstance(self._outlet, TrackingProcess)
                else TrackingProcess(self.project)
            )
            why = process.wait()
        except OSError as error:
            why = str(error)
        if why:
            where = without_credentials(tracking_uri(self.project))
            self._note(
                f"{where} did not accept everything: {why}; the run itself is not affected "
                "(gen-model/logs has more)"
            )

    def _start(self) -> None:
        """Begin to track, with the events so far."""
        if not is_installed():
            self._stop(
                "MLflow is not installed: the run is not tracked (make setup; or tracking: false "
                "in project.yaml)"
            )
            return
        try:
            if os.environ.get(URI):
                self._outlet = TrackingProcess(self.project)
            else:
                self._outlet = RunFile(self.project, RunSettings.of(self.project).to_json())
            for event in self._before:
                self._outlet.add(event)
        except (OSError, ScaffoldError) as error:
            self._stop(f"The run is not tracked: {error}")

    def _stop(self, why: str) -> None:
        self._off, self._outlet = True, None
        self._note(why)

    def _note(self, text: str) -> None:
        self.emit(Note("tracking", text))


GRACE = 1.5  # seconds for the process to write what it has, when this one was killed


class TrackingProcess:
    """The process that tracks, and what is handed on to it; its `wait` says what went wrong.

    A store that is slow to take measurements does not slow the run. Without a server it takes none:
    it tracks the runs that wait on disk.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, project: Project) -> None:
        log = log_file(project)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8") as stream:
            self._process = subprocess.Popen(
                protocol.command(f"{__name__}.process", project.to_json(), grace=GRACE),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stream,
                start_new_session=True,  # Ctrl-C is for us; the child reads of it
            )
        self._messages: queue.SimpleQueue[protocol.Message | None] = queue.SimpleQueue()
        self._pump = threading.Thread(target=self._write, daemon=True)
        self._pump.start()

    def add(self, message: protocol.Message) -> None:
        self._messages.put(message)

    def close(self, status: str) -> None:
        self.add({"end": status})

    def wait(self) -> str:
        """Return what went wrong, once all is tracked; empty where nothing did."""
        self._messages.put(None)
        end = time.monotonic() + PATIENCE
        self._pump.join(PATIENCE)
        try:
            self._process.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            message = next(protocol.read(stream), {})
        if not self._process.returncode:
            return ""
        return str(message.get("problem") or f"it took more than {duration(PATIENCE)}")

    def _write(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError), self._process.stdin as stream:
            while (message := self._messages.get()) is not None:
                stream.write(protocol.encode(message))
                stream.flush()


def is_installed() -> bool:
    """Return whether MLflow's client can be imported here."""
    return importlib.util.find_spec("mlflow") is not None


def track_waiting_runs(project: Project) -> str:
    """Track the runs that were killed and wait on disk; return what went wrong, or ""."""
    if os.environ.get(URI) or not is_installed() or not any(waiting_runs(project)):
        return ""
    return TrackingProcess(project).wait()
