"""How an answer's tokens are chosen: the settings that server, chat and infer have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

UNSEEDED = -1
# The limits of the settings, here and for the server's clients.
HOTTEST = 2.0  # temperature
COLDEST = 1e-6  # lower ones count as 0: it is the likeliest token, and logits / 1e-40 are no number
SEEDS = (-(2**63), 2**63 - 1)
LARGEST = 2**31 - 1  # whole number, such as of tokens: as C counts them
STOPS, STOP_LENGTH = 16, 256  # texts that end an answer, and characters of each


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen.

    Attributes:
        temperature: 0 takes the likeliest.
        top_p: choose among the likeliest tokens that have this probability together, (0, 1].
        seed: None gives another answer each time.
        schema: a JSON schema, as JSON, that the answer must conform to; None: any text.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    schema: str | None = None

    @classmethod
    def from_settings(
        cls,
        temperature: float | None,
        top_p: float | None,
        seed: int | None = None,
        schema: str | None = None,
    ) -> Sampling:
        """Sample greedily, as the model was measured, unless there is a temperature or a top_p."""
        chosen = temperature
        if chosen is None:
            chosen = 0.0 if top_p is None else 1.0
        if top_p == 0 or chosen < COLDEST:
            chosen = 0.0
        return cls(chosen, top_p or 1.0, seed, schema)

    def options(self) -> dict[str, Any]:
        """Return GenAI's search options."""
        if not self.temperature:
            return {"do_sample": False}
        return {
            "do_sample": True,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "top_k": 0,  # GenAI's own default is 50
            "random_seed": UNSEEDED if self.seed is None else self.seed & 0x7FFFFFFF,
        }


GREEDY = Sampling()
