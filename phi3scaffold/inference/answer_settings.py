"""What a person may set of an answer: options of `infer` and `chat`, and chat's /set."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from phi3scaffold.inference.sampling import (
    HOTTEST,
    LARGEST,
    SEEDS,
    STOP_LENGTH,
    STOPS,
    Sampling,
)
from phi3scaffold.models.prompt import Prompt
from phi3scaffold.project.errors import ScaffoldError


@dataclass(frozen=True)
class AnswerSettings:
    """Named, checked and understood as the server's; None: as the model was measured.

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
        return Sampling.asked(self.temperature, self.top_p, self.seed)

    def changed(self, name: str, text: str) -> AnswerSettings:
        """With one setting, by its name in `READERS`, as a person typed it.

        ``default`` takes it back. Raises ScaffoldError where it cannot have that value.
        """
        if text in ("default", "none"):
            return replace(self, **{name: getattr(AnswerSettings(), name)})
        return replace(self, **{name: READERS[name](text)})

    def told(self, prompt: Prompt) -> dict[str, str]:
        """Setting -> what it is for a model that is asked with `prompt`, in words."""
        found = {
            "temperature": f"{self.sampling.temperature:g}",
            "top_p": f"{self.sampling.top_p:g}",
            "max_tokens": str(self.max_tokens or prompt.max_new_tokens),
            "seed": "another each time" if self.seed is None else str(self.seed),
            "stop": json.dumps(self.stop, ensure_ascii=False) if self.stop else "none",
        }
        unset = AnswerSettings()
        return {
            name: f"{told} (default)" if getattr(self, name) == getattr(unset, name) else told
            for name, told in found.items()
        }


def number(least: float, most: float) -> Callable[[str], float]:
    """A reader of numbers from `least` to `most`."""

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


def whole(least: int, most: int) -> Callable[[str], int]:
    """A reader of whole numbers from `least` to `most`."""

    def read(text: str) -> int:
        try:
            value = int(text[:24])
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            least_told = f" of at least {least}" if least > -1000 else ""
            raise ScaffoldError(f"It must be a whole number{least_told}, not {text!r:.40}.")
        return value

    return read


def one_stop(text: str) -> str:
    """A text that ends an answer."""
    if not 0 < len(text) <= STOP_LENGTH:
        raise ScaffoldError(f"A stop text has 1 to {STOP_LENGTH} characters.")
    return text


def _stops(text: str) -> tuple[str, ...]:
    """One text as it stands; a JSON list of several, which can hold a line break, too."""
    found: Any = text
    if text[:1] in '["':
        try:
            found = json.loads(text)
        except ValueError:
            raise ScaffoldError(
                "The stop texts are not valid JSON.", fix=r'/set stop END, or: ["END", "\n"]'
            ) from None
    texts = found if isinstance(found, list) else [found]
    if len(texts) > STOPS or not all(isinstance(one, str) for one in texts):
        raise ScaffoldError(f"stop takes at most {STOPS} texts.")
    return tuple(map(one_stop, texts))


AT_LEAST_ONE = whole(1, LARGEST)
READERS: dict[str, Callable[[str], Any]] = {
    "temperature": number(0, HOTTEST),
    "top_p": number(0, 1),
    "max_tokens": AT_LEAST_ONE,
    "seed": whole(*SEEDS),
    "stop": _stops,
}
