"""A prompt that ONNX Runtime GenAI has read; its generator returns to its end when needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from phi3scaffold.inference.forms.reading import Continuation, PromptReading

if TYPE_CHECKING:
    import numpy as np


class GenaiPrefix(NamedTuple):
    """A generator of one row that has read the first `length` tokens of what is read with it."""

    generator: Any
    length: int


class GenaiReading(PromptReading):
    """One prompt. Tokens can be appended and removed only for a single row.

    Args:
        row: its number.
        prompt: its ids.
        prefix: what was read of it before; its generator belongs to the reading until the next.
        stop: the ids that end an answer.
    """

    def __init__(
        self, row: int, prompt: Sequence[int], prefix: GenaiPrefix, stop: frozenset[int]
    ) -> None:
        super().__init__([row])
        self._prompt, self._stop, self._generator = list(prompt), stop, prefix.generator
        if prefix.length < len(prompt):
            self._go_on(prefix.length, prompt[prefix.length :])
        self._first = self._logits().copy()

    def score(self, continuations: Sequence[Continuation]) -> Iterator[np.ndarray]:
        import numpy as np

        for _, text in continuations:
            if len(text) > 1:
                self._go_on(len(self._prompt), text[:-1])
                output = self._generator.get_output("logits")[0]
                yield np.concatenate([self._first, np.array(output, dtype=np.float32)])
            else:
                yield self._first

    def answer(self, starts: Sequence[Continuation], room: int) -> list[list[int]]:
        ((_, start),) = starts
        answer = list(start)
        if start:
            self._go_on(len(self._prompt), start)
            token = int(self._logits().argmax())
        else:
            token = int(self._first.argmax())
        while token not in self._stop:
            answer.append(token)
            if len(answer) == room:
                break
            self._go_on(len(self._prompt) + len(answer) - 1, answer[-1:])
            token = int(self._logits().argmax())
        return [answer]

    def _go_on(self, length: int, ids: Sequence[int]) -> None:
        """Read `ids` behind the first `length` tokens of what the generator has read."""
        import numpy as np

        if self._generator.token_count() != length:
            self._generator.rewind_to(length)
        self._generator.append_tokens(np.array([ids], dtype=np.int32))

    def _logits(self) -> np.ndarray:
        """Return the logits behind all that was read, [1, vocabulary]."""
        import numpy as np

        return np.array(self._generator.get_logits(), dtype=np.float32).reshape(1, -1)
