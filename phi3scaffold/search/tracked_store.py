"""Read the tracked runs of a project: from a server, where one is named, or from MLflow's file.

The file is read without MLflow, which takes seconds to load.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from phi3scaffold.inference.forms.kinds import COMPARED
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.near_names import did_you_mean
from phi3scaffold.project.settings import Project
from phi3scaffold.reporting.tracking import URI, store_path
from phi3scaffold.reporting.tracking.ui import check_store
from phi3scaffold.search.tracking_server import finite_metrics, server_runs

RUNS = """
    SELECT run_uuid, name, status, start_time, end_time FROM runs
    WHERE lifecycle_stage = 'active' ORDER BY start_time, run_uuid
"""
PARAMETERS = "SELECT key, value FROM params WHERE run_uuid = ?"
METRICS = "SELECT key, value FROM latest_metrics WHERE run_uuid = ? AND NOT is_nan"
TAGS = "SELECT key, value FROM tags WHERE run_uuid = ?"
LAST = "last"  # the name of the newest run


@dataclass(frozen=True)
class StoredRun:
    """One tracked run.

    Attributes:
        number: by its start; 1 is the oldest.
        id: MLflow's.
        name: algorithm, precision and time.
        status: FINISHED, FAILED, KILLED or RUNNING.
        started: in seconds since 1970.
        seconds: how long it took; None while it runs.
        settings: name -> value, as text.
        metrics: name -> the last value.
        released: the verdict of the release thresholds; None where there was none.
    """

    number: int
    id: str
    name: str
    status: str
    started: float
    seconds: float | None
    settings: dict[str, str]
    metrics: dict[str, float]
    released: bool | None

    @property
    def when(self) -> str:
        """When it started, by the clock of this machine."""
        return datetime.fromtimestamp(self.started).strftime("%m-%d %H:%M")

    @property
    def form(self) -> str | None:
        """The last form of the model that was measured."""
        measured = (form for form in reversed(COMPARED) if f"{form}/perplexity" in self.metrics)
        return next(measured, None)

    def measure(self, name: str) -> float | None:
        """Return a metric of that form."""
        return self.metrics.get(f"{self.form}/{name}")

    def to_json(self) -> dict[str, Any]:
        """Return JSON-able values."""
        started = datetime.fromtimestamp(self.started).astimezone()
        return asdict(self) | {
            "started": started.isoformat(timespec="seconds"), "form": self.form
        }  # fmt: skip


def stored_runs(project: Project) -> list[StoredRun]:
    """Return the tracked runs, the oldest first.

    Raises:
        ScaffoldError: none was tracked, or the file or the server cannot be read.
    """
    if os.environ.get(URI):
        return [_of_server(number, run) for number, run in enumerate(server_runs(project), 1)]
    check_store(project)
    path = store_path(project)
    try:
        place = f"{path.as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(place, uri=True)) as store:
            return list(_runs(store))
    except sqlite3.Error as error:
        raise ScaffoldError(
            f"The tracked runs cannot be read: {error}.",
            where=path,
            fix="`phi3scaffold ui` shows them where MLflow can read the file",
        ) from None


def _runs(store: sqlite3.Connection) -> Iterator[StoredRun]:
    for number, (run, name, status, start, end) in enumerate(store.execute(RUNS), 1):
        tags = dict(store.execute(TAGS, (run,)))
        released = tags.get("released")
        yield StoredRun(
            number=number,
            id=run,
            name=name,
            status=status,
            started=(start or 0) / 1000,
            seconds=(end - start) / 1000 if end and start else None,
            settings=dict(sorted(store.execute(PARAMETERS, (run,)))),
            metrics=dict(sorted(store.execute(METRICS, (run,)))),
            released=None if released is None else released == "true",
        )


def _of_server(number: int, run: Any) -> StoredRun:
    info, released = run.info, run.data.tags.get("released")
    start, end = info.start_time or 0, info.end_time
    return StoredRun(
        number=number,
        id=info.run_id,
        name=info.run_name or "",
        status=info.status,
        started=start / 1000,
        seconds=(end - start) / 1000 if end and start else None,
        settings=dict(sorted(run.data.params.items())),
        metrics=finite_metrics(run),
        released=None if released is None else released == "true",
    )


def find_run(runs: Sequence[StoredRun], word: str) -> StoredRun:
    """Return the run of a number, the beginning of an id, or `LAST`.

    Raises:
        ScaffoldError: there is none, or there are several.
    """
    if word == LAST and runs:
        return runs[-1]
    found = [one for one in runs if word.isdecimal() and one.number == int(word)]
    found = found or [one for one in runs if len(word) > 3 and one.id.startswith(word.lower())]
    if len(found) == 1:
        return found[0]
    known = f"numbers from 1 to {len(runs)}, {LAST}, or the beginning of an id"
    raise ScaffoldError(
        f"There is no run {word!r:.40}.", fix=did_you_mean(word, [LAST], f"name it by: {known}")
    )
