"""A request to the engine, and the events of its answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from phi3scaffold.inference.sampling import GREEDY, Sampling
from phi3scaffold.models.column_templates import Message, Tool
from phi3scaffold.models.prompt import Prompt


@dataclass(frozen=True)
class Request:
    """One request to the engine.

    Attributes:
        turns: the client's conversation; empty where `text` is set.
        exact: whether `turns` stand as the model reads them, and fill no template.
        tools: the definitions of the tools that the answer may call.
        text: a text to be continued as it stands.
        max_tokens: the longest answer; None: as the model's prompt says.
        logprobs: how many other tokens are named at each position of the answer, with their
            log-probabilities; None: no log-probability is wanted.
        stream: whether the client wants the text in pieces, as soon as they are there.
    """

    model: str
    turns: tuple[Message, ...] = ()
    text: str | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    sampling: Sampling = GREEDY
    stream: bool = False
    exact: bool = False
    tools: tuple[Tool, ...] = ()
    logprobs: int | None = None

    def messages(self, prompt: Prompt) -> list[Message]:
        """Return the turns as a model with `prompt` reads them. Raises as `conversation` does."""
        return list(self.turns) if self.exact else prompt.conversation(self.turns)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Request:
        """Return the request of which `asdict` gave the values."""
        exact = {
            "turns": tuple(values["turns"]),
            "stop": tuple(values["stop"]),
            "tools": tuple(values["tools"]),
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
class AnswerLogprobs:
    """How likely the answer was; before its end.

    Attributes:
        content: its tokens, as OpenAI's interface writes them.
        labels: the labels with their calibrated probabilities, the likeliest first; None where the
            form has none, and where the answer was not made as it was evaluated.
    """

    kind: ClassVar[str] = "logprobs"
    content: list[dict[str, Any]]
    labels: list[dict[str, Any]] | None = None


@dataclass(frozen=True)
class AnswerEnded:
    """The answer is complete; `finish` is ``stop`` or ``length``."""

    kind: ClassVar[str] = "ended"
    finish: str
    tokens: int


AnswerEvent = AnswerStarted | AnswerText | AnswerLogprobs | AnswerEnded
EVENTS = {event.kind: event for event in (AnswerStarted, AnswerText, AnswerLogprobs, AnswerEnded)}
