"""What the engine is asked, and where an answer's text ends."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from phi3scaffold.inference.sampling import GREEDY, Sampling
from phi3scaffold.models.templates import Message


@dataclass(frozen=True)
class Request:
    """One request to the engine.

    Attributes:
        model: which of the served models answers.
        turns: the client's conversation; empty where `text` is given.
        text: a text to be continued as it stands.
        limit: the longest answer, in tokens; None: as the model's prompt says.
        stop: texts that end the answer, themselves left out.
        sampling: how tokens are chosen.
        stream: whether the text is wanted in pieces, as soon as they are there.
    """

    model: str
    turns: tuple[Message, ...] = ()
    text: str | None = None
    limit: int | None = None
    stop: tuple[str, ...] = ()
    sampling: Sampling = GREEDY
    stream: bool = False

    def to_json(self) -> dict[str, Any]:
        """As JSON-able values; `from_json` gives the same again."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Request:
        exact = {
            "turns": tuple(values["turns"]),
            "stop": tuple(values["stop"]),
            "sampling": Sampling(**values["sampling"]),
        }
        return cls(**{**values, **exact})


class StopTexts:
    """Lets text through up to the first of some texts, which may come in pieces."""

    def __init__(self, stop: tuple[str, ...]) -> None:
        self.stop = stop
        self.found = False
        self._held = ""

    def feed(self, piece: str) -> str:
        """What is certain to stand before any stop text; sets `found` once one came."""
        text = self._held + piece
        ends = [at for at in (text.find(stop) for stop in self.stop) if at >= 0]
        if ends:
            self.found, self._held = True, ""
            return text[: min(ends)]
        held = max((_overlap(text, stop) for stop in self.stop), default=0)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]

    def rest(self) -> str:
        """What was held back, once nothing more comes."""
        text, self._held = self._held, ""
        return text


def _overlap(text: str, stop: str) -> int:
    """How many characters at the end of `text` begin `stop`."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)
