"""The process that tracks runs: measurements come in, MLflow's client does the rest."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from phi3scaffold import __version__
from phi3scaffold.pipeline import manifest, protocol
from phi3scaffold.project.errors import FAILED_RUN
from phi3scaffold.project.files import whole_file
from phi3scaffold.project.settings import Project
from phi3scaffold.reporting.tracking import URI, store_path, tracking_uri, without_credentials
from phi3scaffold.reporting.tracking.measurements import STEP_METRICS, Measurements
from phi3scaffold.reporting.tracking.run_settings import LONGEST, RunSettings, settings_file
from phi3scaffold.reporting.tracking.waiting import (
    KILLED,
    has_ended,
    process_name,
    waiting_folder,
    waiting_runs,
)

MOST = 200  # metrics of one request; Azure ML takes no more
NAME = "phi3scaffold.run"  # a tag: the name of the file in which the run has waited
PROCESS = "mlflow.process"  # a tag; MLflow shows none that begin so
EVERY = 2.0  # seconds between two requests while a run goes on
SLACK = 2.0  # seconds by which a file's time may be off
AGAIN = 30.0  # seconds until a store that did not answer is asked again
# A store that does not answer does not hold a finished run up for long.
QUICK = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}


class Tracker:
    """One run in MLflow. What the store does not accept is sent again later.

    Attributes:
        settings: what the run started with; by default the project's.
        name: of the run on this machine, by which its second try finds the first; may be empty.
        problem: why the store did not accept everything, in one line; empty if it did.
    """

    def __init__(
        self, project: Project, settings: RunSettings | None = None, name: str = ""
    ) -> None:
        self.project, self.name = project, name
        self.settings = settings or RunSettings.of(project)
        self.problem = ""
        self._client: Any = None
        self._run = os.environ.get("MLFLOW_RUN_ID", "")  # Azure ML's: the job itself
        self._own = not self._run  # else another process ends it
        self._is_begun = False
        self._start: int | None = None  # ms since 1970
        self._metrics: list[tuple[str, float, int, int]] = []  # name, value, time in ms, step
        self._tracked: set[tuple[str, int]] = set()  # name, step
        self._tags: dict[str, str] = {}
        self._files = settings_file(project)
        self._next = 0.0

    def take(self, values: Measurements) -> None:
        """Track what an event adds."""
        now = int(1000 * values.at)
        self._start = self._start or now
        self._metrics += [(name, one, now, values.step) for name, one in values.metrics.items()]
        self._tracked |= {(name, values.step) for name in values.metrics}
        for name, points in values.curves.items():
            # a job that was restarted has tracked its earlier steps in the same run
            if self._own or name.rsplit("/")[-1] not in STEP_METRICS:
                self._metrics += [
                    (name, value, now, step)
                    for step, value in points
                    if math.isfinite(value) and (name, step) not in self._tracked
                ]
        self._tags |= values.tags
        self._files += values.files
        if time.monotonic() >= self._next:
            self.problem = ""
            accepted = self._try(self._send)
            self._next = time.monotonic() + (EVERY if accepted else AGAIN)

    def end(self, status: str, ended: float | None = None) -> None:
        """Send the rest, the files, and how the run ended; the user waits for it.

        Args:
            status: as MLflow calls it.
            ended: when it ended, in seconds since 1970, if not now: later files are not its own.
        """
        if self.problem and time.monotonic() < self._next:
            return  # it failed a moment ago
        self.problem = ""
        if not self._try(self._send):
            return
        files = list(dict.fromkeys(self._files))
        if ended is not None:
            files = [path for path in files if _is_as_old(Path(path), ended)]
        for path in files:
            if not self._try(partial(self._client.log_artifact, self._run, path)):
                break
        if self._own:
            when = None if ended is None else int(1000 * ended)
            self._try(partial(self._client.set_terminated, self._run, status, when))

    def _try(self, send: Callable[[], None]) -> bool:
        """Return whether the store accepted it; if not, set `problem`, and log the traceback."""
        try:
            send()
        except Exception as error:  # noqa: BLE001 (a store may raise anything; the run goes on)
            lines = without_credentials("".join(traceback.format_exception(error)))
            print(lines, file=sys.stderr, flush=True)
            first = re.split(r"\n| with url: ", without_credentials(str(error)).strip())[0]
            self.problem = self.problem or f"{type(error).__name__}: {first}"[:LONGEST]
            return False
        return True

    def _send(self) -> None:
        from mlflow.entities import Metric, RunTag

        if not self._is_begun:
            self._begin()
            self._is_begun = True
        tags = [RunTag(name, value) for name, value in self._tags.items()]
        if tags:
            self._client.log_batch(self._run, tags=tags)
            self._tags = {}
        while self._metrics:
            batch = [Metric(*one) for one in self._metrics[:MOST]]
            self._client.log_batch(self._run, metrics=batch)
            del self._metrics[:MOST]

    def _begin(self) -> None:
        from mlflow import MlflowClient
        from mlflow.entities import Param

        if not os.environ.get(URI):
            create_store(store_path(self.project))
        self._client = MlflowClient(tracking_uri(self.project))
        self._run = self._run or self._create()
        params = [Param(name, value) for name, value in self.settings.parameters.items()]
        for start in range(0, len(params), 100):
            self._client.log_batch(self._run, params=params[start : start + 100])
        if self._own:
            self._log_dataset()

    def _log_dataset(self) -> None:
        """Log a digest of the dataset, so that runs on the same rows can be found; no row."""
        from mlflow.entities import Dataset, DatasetInput
        from mlflow.exceptions import MlflowException

        with contextlib.suppress(OSError, ValueError, KeyError, MlflowException):
            published = manifest.read(self.project.rows)
            if published is None:
                return
            counts = {name: published.facts[name] for name in ("train", "validation", "held_out")}
            rows = Dataset(
                name="datasets",
                digest=published.fingerprint[:8],
                source_type="local",
                source=json.dumps({"uri": "datasets"}),
                profile=json.dumps(counts),
            )
            self._client.log_inputs(self._run, datasets=[DatasetInput(rows)])

    def _create(self) -> str:
        name = self.project.root.name
        if os.environ.get(URI):
            wanted = experiment_name(self.project)
            there = self._client.get_experiment_by_name(wanted)
            experiment = there.experiment_id if there else self._new_experiment(wanted)
        else:
            experiment = self._local_experiment(name)
            self._end_dead_runs(experiment)
            if self.name:
                for tried in self._client.search_runs(
                    [experiment], f"tags.`{NAME}` = '{self.name}'"
                ):
                    self._client.delete_run(tried.info.run_id)
        tags = {
            "model": self.project.model_id,
            "phi3scaffold": __version__,
            "mlflow.source.name": "phi3scaffold",
            "mlflow.source.type": "LOCAL",
            PROCESS: process_name(),
        }
        if self.name:
            tags[NAME] = self.name
        if self.project.is_demonstration:
            tags["demonstration"] = "true"
        started = time.localtime((self._start or 0) / 1000)
        title = f"{self.settings.title} {time.strftime('%m-%d %H:%M', started)}"
        run = self._client.create_run(experiment, self._start, tags=tags, run_name=title)
        return str(run.info.run_id)

    def _local_experiment(self, name: str) -> str:
        """Return the experiment with its files here; a project that was moved starts a new one."""
        place = (store_path(self.project).parent / "artifacts").as_uri()
        taken = {one.name: one for one in self._client.search_experiments()}
        for one in taken.values():
            if one.artifact_location == place:
                return str(one.experiment_id)
        free = next(f"{name} {n}".removesuffix(" 1") for n in range(1, len(taken) + 2)
                    if f"{name} {n}".removesuffix(" 1") not in taken)  # fmt: skip
        return self._new_experiment(free, artifact_location=place)

    def _new_experiment(self, name: str, **where: str) -> str:
        """Create an experiment whose pages are those of training, not of prompts and traces."""
        tags = {"mlflow.experimentKind": "custom_model_development"}
        return str(self._client.create_experiment(name, tags=tags, **where))

    def _end_dead_runs(self, experiment: str) -> None:
        """Mark runs as killed whose process has ended without ending them."""
        for run in self._client.search_runs([experiment], "attributes.status = 'RUNNING'"):
            if has_ended(run.data.tags.get(PROCESS, "")):
                self._client.set_terminated(run.info.run_id, KILLED)


def experiment_name(project: Project) -> str:
    """Return the name of the experiment that the project's runs have at a server."""
    return os.environ.get("MLFLOW_EXPERIMENT_NAME", project.root.name)


def create_store(path: Path) -> None:
    """Create an empty store if there is none, whole or not at all.

    MLflow creates one in many steps, and cannot resume them or share them with another process.
    """
    from filelock import FileLock
    from mlflow import MlflowClient

    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        if path.exists():
            return
        # Windows renames no file that is open.
        os.environ["MLFLOW_SQLALCHEMYSTORE_POOLCLASS"] = "NullPool"
        with whole_file(path) as part:
            MlflowClient(f"sqlite:///{part.as_posix()}").search_experiments()


def _is_as_old(path: Path, time: float) -> bool:
    """Return whether a file is there, and as it was at this time."""
    return path.is_file() and path.stat().st_mtime <= time + SLACK


def track_waiting(project: Project) -> str:
    """Track the runs that wait on disk; return why one of them still does, or ""."""
    from filelock import FileLock

    with FileLock(waiting_folder(project) / "lock"):
        for run in waiting_runs(project):
            measurements = [Measurements(**one) for one in run.measurements]
            tracker = Tracker(project, RunSettings(**run.settings), run.path.stem)
            for one in measurements:
                tracker.take(one)
            tracker.end(run.status, max((one.at for one in measurements), default=None))
            if tracker.problem:
                return tracker.problem
            run.path.unlink()
    return ""


def track_messages(project: Project) -> str:
    """Track the run whose measurements come in, to their end; return what went wrong, or ""."""
    tracker = Tracker(project)
    ended = KILLED  # the run ended without a message
    for message in protocol.read(sys.stdin.buffer):
        if "end" in message:
            ended = message["end"]
        else:
            tracker.take(Measurements(**message))
    tracker.end(ended)
    return tracker.problem


def main() -> int:
    """Track a run at a server while it goes on, or those that wait on disk."""
    outlet = protocol.take_stdout()
    project = Project.from_json(protocol.work())
    if hasattr(os, "nice"):
        os.nice(5)
    for name, value in QUICK.items():
        os.environ.setdefault(name, value)
    # At the end of a run the client prints a server's whole address, and that goes into the log.
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
    problem = track_messages(project) if os.environ.get(URI) else track_waiting(project)
    if not problem:
        return 0
    outlet.send({"problem": problem})
    return FAILED_RUN


if __name__ == "__main__":
    sys.exit(main())
