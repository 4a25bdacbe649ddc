"""The settings of an answer: options of `infer` and `chat`, and chat's /set."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from phi3scaffold.inference.request import Request
from phi3scaffold.inference.sampling import (
    HOTTEST,
    LARGEST,
    SEEDS,
    STOP_LENGTH,
    STOPS,
    Sampling,
)
from phi3scaffold.models.column_templates import Message
from phi3scaffold.models.prompt import Prompt
from phi3scaffold.project.errors import ScaffoldError


@dataclass(frozen=True)
class AnswerSettings:
    """They have the names, limits and meaning of the server's; None: as the model was measured.

    Attributes:
        temperature: from 0 (the likeliest token) to 2.
        top_p: from 0 to 1.
        max_tokens: the longest answer; None: as the model's prompt.json says.
        seed: the same one gives the same answer.
        stop: texts that end the answer, themselves left out.
        system: stands instead of the trained system turn.
    """

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    system: str | None = None

    @property
    def sampling(self) -> Sampling:
        return Sampling.from_settings(self.temperature, self.top_p, self.seed)

    def request(self, turns: Sequence[Message], model: str) -> Request:
        """Return the request for an answer to `turns`, with the system turn of the settings."""
        system: list[Message] = []
        if self.system is not None and (not turns or turns[0]["role"] != "system"):
            system = [{"role": "system", "content": self.system}]
        return Request(
            model=model,
            turns=(*system, *turns),
            max_tokens=self.max_tokens,
            stop=self.stop,
            sampling=self.sampling,
            stream=True,
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


def number(least: float, most: float) -> Callable[[str], float]:
    """Return a parser of numbers from `least` to `most`."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            raise ScaffoldError(
                f"It must be a number from {least:g} to {most:g}, not {text!r:.40}."
            )
        return value

    return read


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """Return a parser of whole numbers from `least` to `most`."""

    def read(text: str) -> int:
        try:
            value = int(text[:24])
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            range_text = f" of at least {least}" if least > -1000 else ""
            raise ScaffoldError(f"It must be a whole number{range_text}, not {text!r:.40}.")
        return value

    return read


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


AT_LEAST_ONE = whole_number(1, LARGEST)
PARSERS: dict[str, Callable[[str], Any]] = {
    "temperature": number(0, HOTTEST),
    "top_p": number(0, 1),
    "max_tokens": AT_LEAST_ONE,
    "seed": whole_number(*SEEDS),
    "stop": _stops,
}
