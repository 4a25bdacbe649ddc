"""Prompts that a form has read, for scoring and answering what follows them."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

# A row of the prompts, and token ids that stand behind it.
Continuation = tuple[int, Sequence[int]]
LEAST_SHARED = 8  # tokens that prompts must have in common to be worth reading apart


class PromptReading(abc.ABC):
    """Some of the prompts that `Form.read` was given, read; until it gives the next ones.

    Attributes:
        rows: their numbers.
    """

    def __init__(self, rows: Sequence[int]) -> None:
        self.rows = list(rows)

    @abc.abstractmethod
    def score(self, continuations: Sequence[Continuation]) -> Iterator[np.ndarray]:
        """Yield the logits that each continuation's tokens would be chosen from, in their order.

        Each is a float32 array [C, vocabulary], where C is the continuation's length, at least 1:
        entry j predicts the continuation's token j.
        """

    @abc.abstractmethod
    def answer(self, starts: Sequence[Continuation], room: int) -> list[list[int]]:
        """Return greedy answers of at most `room` tokens, the start included, the stop id excluded.

        Args:
            starts: rows, each once, and what is known of their answers: shorter than `room`, and
                without a stop id.
        """


def shared_prefix(prompts: Sequence[Sequence[int]]) -> int:
    """Return how many tokens all prompts begin with, short of a whole prompt; 0 where it is few."""
    if len(prompts) < 2:
        return 0
    first, last = min(map(list, prompts)), max(map(list, prompts))  # what they share, all do
    most = min(map(len, prompts)) - 1
    differing = (i for i in range(most) if first[i] != last[i])
    length = next(differing, most)
    return length if length >= LEAST_SHARED else 0
