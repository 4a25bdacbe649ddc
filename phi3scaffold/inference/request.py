"""A request to the engine, and the events of its answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from phi3scaffold.inference.sampling import GREEDY, Sampling
from phi3scaffold.models.column_templates import Message


@dataclass(frozen=True)
class Request:
    """One request to the engine.

    Attributes:
        turns: the client's conversation; empty where `text` is set.
        text: a text to be continued as it stands.
        max_tokens: the longest answer; None: as the model's prompt says.
        stream: whether the client wants the text in pieces, as soon as they are there.
    """

    model: str
    turns: tuple[Message, ...] = ()
    text: str | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    sampling: Sampling = GREEDY
    stream: bool = False

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Request:
        """Return the request of which `asdict` gave the values."""
        exact = {
            "turns": tuple(values["turns"]),
            "stop": tuple(values["stop"]),
            "sampling": Sampling(**values["sampling"]),
        }
        return cls(**{**values, **exact})


@dataclass(frozen=True)
class AnswerStarted:
    """The model has read the prompt."""

    kind: ClassVar[str] = "started"
    prompt_tokens: int


@dataclass(frozen=True)
class AnswerText:
    """The next piece of the answer."""

    kind: ClassVar[str] = "text"
    text: str


@dataclass(frozen=True)
class AnswerEnded:
    """The answer is complete; `finish` is ``stop`` or ``length``."""

    kind: ClassVar[str] = "ended"
    finish: str
    tokens: int


AnswerEvent = AnswerStarted | AnswerText | AnswerEnded
EVENTS = {event.kind: event for event in (AnswerStarted, AnswerText, AnswerEnded)}
