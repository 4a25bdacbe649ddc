"""The settings of an answer: options of `infer` and `chat`, and chat's /set."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from phi3scaffold.inference.request import Request
from phi3scaffold.inference.sampling import (
    HOTTEST,
    LARGEST,
    SEEDS,
    STOP_LENGTH,
    STOPS,
    Sampling,
)
from phi3scaffold.models.column_templates import Message, Tool
from phi3scaffold.models.prompt import Prompt
from phi3scaffold.project.errors import ScaffoldError

Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class AnswerSettings:
    """They have the names, limits and meaning of the server's; None: as the model was measured.

    Attributes:
        stop: texts that end the answer, themselves left out.
        system: stands instead of the trained system turn.
        abstain_below: the probability below which no label is given; None: one is always.
    """

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    system: str | None = None
    abstain_below: float | None = None

    @property
    def sampling(self) -> Sampling:
        return Sampling.from_settings(self.temperature, self.top_p, self.seed)

    @property
    def has_probabilities(self) -> bool:
        """Whether a label's probability means something: as the form was calibrated."""
        return not (self.sampling.temperature or self.stop or self.system is not None)

    @property
    def system_turns(self) -> list[Message]:
        return [] if self.system is None else [{"role": "system", "content": self.system}]

    def request(
        self,
        turns: Sequence[Message],
        model: str,
        exact: bool = False,
        tools: tuple[Tool, ...] = (),
    ) -> Request:
        """Return the request for an answer to `turns`, with the system turn of the settings."""
        has_own = bool(turns) and turns[0]["role"] == "system"
        return Request(
            model=model,
            turns=tuple(turns) if has_own else (*self.system_turns, *turns),
            max_tokens=self.max_tokens,
            stop=self.stop,
            sampling=self.sampling,
            stream=True,
            exact=exact,
            tools=tools,
        )

    def changed(self, name: str, text: str) -> AnswerSettings:
        """Return the settings with another value of one, by its name in `PARSERS`.

        ``default`` and ``none`` reset it. Raises ScaffoldError where the text is no value for it.
        """
        if text in ("default", "none"):
            return replace(self, **{name: getattr(AnswerSettings(), name)})
        return replace(self, **{name: PARSERS[name](text)})

    def described(self, prompt: Prompt) -> dict[str, str]:
        """Return setting -> its value in words, for a model with `prompt`."""
        values = {
            "temperature": f"{self.sampling.temperature:g}",
            "top_p": f"{self.sampling.top_p:g}",
            "max_tokens": str(self.max_tokens or prompt.max_new_tokens),
            "seed": "random" if self.seed is None else str(self.seed),
            "stop": json.dumps(self.stop, ensure_ascii=False) if self.stop else "none",
        }
        unset = AnswerSettings()
        return {
            name: f"{value} (default)" if getattr(self, name) == getattr(unset, name) else value
            for name, value in values.items()
        }


def _parser(
    kind: Callable[[str], Number], least: Number, most: Number, description: str
) -> Callable[[str], Number]:
    """Return a parser of numbers from `least` to `most`."""

    def parse(text: str) -> Number:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not least <= value <= most:
            raise ScaffoldError(f"It must be {description}, not {text!r:.40}.")
        return value

    return parse


def stop_text(text: str) -> str:
    """Return a stop text as it is, if its length is allowed. Raises ScaffoldError."""
    if not 0 < len(text) <= STOP_LENGTH:
        raise ScaffoldError(f"A stop text has 1 to {STOP_LENGTH} characters.")
    return text


def _stops(text: str) -> tuple[str, ...]:
    """Parse one text as it stands, or a JSON list of texts, which can hold line breaks."""
    value: Any = text
    if text[:1] in '["':
        try:
            value = json.loads(text)
        except ValueError:
            raise ScaffoldError(
                "The stop texts are not valid JSON.", fix=r'/set stop END, or: ["END", "\n"]'
            ) from None
    texts = value if isinstance(value, list) else [value]
    if len(texts) > STOPS or not all(isinstance(item, str) for item in texts):
        raise ScaffoldError(f"stop takes at most {STOPS} texts.")
    return tuple(map(stop_text, texts))


AT_LEAST_ONE = _parser(int, 1, LARGEST, "a whole number of at least 1")
PARSERS: dict[str, Callable[[str], Any]] = {
    "temperature": _parser(float, 0.0, HOTTEST, f"a number from 0 to {HOTTEST:g}"),
    "top_p": _parser(float, 0.0, 1.0, "a number from 0 to 1"),
    "max_tokens": AT_LEAST_ONE,
    "seed": _parser(int, *SEEDS, "a whole number"),
    "stop": _stops,
}
