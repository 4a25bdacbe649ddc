"""How a job ended, as its own lines say it: events of the pipeline, and anything else."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field

from phi3scaffold.pipeline.events import Emit, Event, Failure, StageEnded, from_json
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError

LAST = 20  # lines of the log that a failure shows


@dataclass
class JobOutcome:
    """How a job ended.

    Attributes:
        error: what the job said was wrong.
        stages: those that it finished.
        tail: the last lines that were no events.
    """

    state: str = ""
    error: ScaffoldError | None = None
    stages: set[str] = field(default_factory=set)
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=LAST))

    def read(self, line: str, emit: Emit) -> None:
        """Take in one line of the log: hand on an event, remember anything else."""
        event = read_event(line)
        if event is None:
            if line.strip():
                self.tail.append(line.rstrip())
        elif isinstance(event, Failure):
            self.error = event.error
        else:
            if isinstance(event, StageEnded):
                self.stages.add(event.stage)
            emit(event)

    def failure(self, name: str, page: str) -> ScaffoldError | None:
        """Return the error that this end is, for a job's name and page; None: it completed."""
        if self.state == "Completed":
            return None
        if self.state == "Canceled":
            return ScaffoldError(
                f"The job {name} was cancelled.",
                fix="start it again: phi3scaffold job submit",
                exit_code=FAILED_RUN,
            )
        if self.error is not None:
            return self.error
        lines = "".join(f"\n    {line}" for line in self.tail)
        return ScaffoldError(
            f"The job {name} failed." + (f" Its last lines:{lines}" if lines else ""),
            where=page,
            fix="its log: phi3scaffold job logs; its page also shows what the service says",
            exit_code=FAILED_RUN,
        )


def read_event(line: str) -> Event | None:
    """Return the event that a line of the log is; None for any other line."""
    if not line.startswith('{"kind"'):
        return None
    try:
        return from_json(json.loads(line))
    except ValueError:
        return None
