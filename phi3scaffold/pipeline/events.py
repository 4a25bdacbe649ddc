"""Events: what a run says while it goes on, as records and as lines of JSON.

Stages emit them, child processes hand them on, a job in the cloud prints them into its log;
progress displays and tracking read them. As JSON an event is one object: ``kind`` and the
attributes of its class. Logs of earlier versions are read too: unknown keys are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from phi3scaffold.project.errors import ScaffoldError


@dataclass(frozen=True)
class StageStarted:
    """A stage begins; ``{"kind": "stage", "state": "start"}``.

    Attributes:
        stage: its name.
        title: what it does, for people.
        about: how long it is expected to take, in seconds; 0 where that is unknown or short.
    """

    kind: ClassVar[str] = "stage"
    stage: str
    title: str
    about: float = 0.0


@dataclass(frozen=True)
class StageEnded:
    """A stage's result is there; ``{"kind": "stage", "state": "done"}``, or ``"fresh"``.

    Attributes:
        stage: its name.
        facts: what it measured or wants known, as in its manifest.
        seconds: how long it ran; None where its result was up to date ("fresh") and it did not.
        peak_bytes: peak resident memory of its process, in bytes; 0 where that is unknown.
    """

    kind: ClassVar[str] = "stage"
    stage: str
    facts: dict[str, Any] = field(default_factory=dict)
    seconds: float | None = None
    peak_bytes: int = 0


@dataclass(frozen=True)
class Step:
    """How far a stage is, in steps.

    Attributes:
        step: steps that are done.
        of: all steps.
        form: the form that is measured.
        phase: what is being done, where steps are only shares of the time.
        loss: training loss, in nats a token, as last logged.
        loss_step: the step that it was logged at.
        tokens_per_second: training speed since the start.
        learning_rate: as last logged.
        validation_loss: of the validation rows, in nats a token, as last measured.
        validation_step: the step that it was measured at; an event of this step announces it.
        best_loss: the lowest validation loss so far.
        best_step: the step that it was measured at.
        peak_bytes: peak memory of the process, or of the GPU that trains, in bytes.
    """

    kind: ClassVar[str] = "step"
    step: int
    of: int
    form: str | None = None
    phase: str | None = None
    loss: float | None = None
    loss_step: int | None = None
    tokens_per_second: float | None = None
    learning_rate: float | None = None
    validation_loss: float | None = None
    validation_step: int | None = None
    best_loss: float | None = None
    best_step: int | None = None
    peak_bytes: int | None = None


@dataclass(frozen=True)
class Bytes:
    """How far a transfer is.

    Attributes:
        what: the file or folder.
        done: bytes that have arrived.
        of: all bytes.
    """

    kind: ClassVar[str] = "bytes"
    what: str
    done: int
    of: int


@dataclass(frozen=True)
class Note:
    """A message for people.

    Attributes:
        stage: the stage, or another part, that it is about.
        text: one line.
    """

    kind: ClassVar[str] = "note"
    stage: str
    text: str


@dataclass(frozen=True)
class Failure:
    """The run failed; the last event of a child process or a job.

    Attributes:
        error: why; as JSON its ``what``, ``where``, ``fix`` and ``exit_code``.
        lost: whether the connection to another rank was lost, which knows the cause.
    """

    kind: ClassVar[str] = "error"
    error: ScaffoldError
    lost: bool = False


Event = StageStarted | StageEnded | Step | Bytes | Note | Failure
Emit = Callable[[Event], None]
CLASSES: dict[tuple[Any, Any], Any] = {  # by kind and state
    ("stage", "start"): StageStarted,
    ("stage", "done"): StageEnded,
    ("stage", "fresh"): StageEnded,
    **{(one.kind, None): one for one in (Step, Bytes, Note, Failure)},
}
EARLIER = {"told": "phase"}  # keys of logs that earlier versions wrote


def ignore(event: Event) -> None:
    """Drop an event: for those who want none."""


def to_json(event: Event) -> dict[str, Any]:
    """Return the event as a JSON object; attributes that are None are left out."""
    values = {name: value for name, value in vars(event).items() if value is not None}
    if isinstance(event, StageStarted):
        values["state"] = "start"
    elif isinstance(event, StageEnded):
        values["state"] = "fresh" if event.seconds is None else "done"
    elif isinstance(event, Failure):
        values["error"] = event.error.to_json()
    return {"kind": event.kind, **values}


def from_json(values: Mapping[str, Any]) -> Event | None:
    """Return the event that a JSON object stands for; None where it is no event we know."""
    made = CLASSES.get((values.get("kind"), values.get("state")))
    if made is None:
        return None
    names = {one.name for one in fields(made)}
    known = {EARLIER.get(name, name): value for name, value in values.items()}
    known = {name: value for name, value in known.items() if name in names}
    try:
        if made is Failure:
            known["error"] = ScaffoldError.from_json(known["error"])
        event: Event = made(**known)
    except (KeyError, TypeError):
        return None
    return event
