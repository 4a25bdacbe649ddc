"""The interface of every form: encode, decode, answer token by token, answer a batch, score."""

from __future__ import annotations

import abc
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phi3scaffold.inference.forms.reading import PromptReading, shared_prefix
from phi3scaffold.inference.sampling import GREEDY, Sampling
from phi3scaffold.models.column_templates import Message, Tool
from phi3scaffold.models.prompt import Prompt, special_tokens
from phi3scaffold.models.tool_template import texts_of
from phi3scaffold.project.errors import ScaffoldError

if TYPE_CHECKING:
    import numpy as np

    from phi3scaffold.inference.calibration import LabelCalibration

# Tokens (prompts and room for answers) that one batch may hold. A full-size Phi-3-mini keeps
# 0.4 to 0.8 MB for each, so this bounds a batch at some 1.6 GB; a small model does not notice.
BATCH_TOKENS = 2048
BATCH_ROWS = 32

UNFINISHED = "\ufffd"  # what a decoder writes for an incomplete character
LONGEST_WAIT = 8  # tokens


class Form(abc.ABC):
    """One loaded model, its tokenizer and its prompt. Decoding is greedy, except by `sample`.

    Attributes:
        name: one of `phi3scaffold.inference.forms.kinds.FORMS`.
        context: how many tokens prompt and answer may have together.
        special_tokens: the control tokens that no text may contain.
        adapter: the adapter in use, where several can be swapped; else None.
        calibration: what gives its labels their probabilities; None before it was evaluated, and
            for free answers.
        plain_context: up to how many tokens each attends to all before it, at the same positions
            however long the rest is: no sliding window, no other positions in a long text.
    """

    adapter: str | None = None
    calibration: LabelCalibration | None = None

    def __init__(self, name: str, folder: Path, prompt: Prompt, context: int) -> None:
        self.name = name
        self.folder = folder
        self.prompt = prompt
        self.context = self.plain_context = context
        self.special_tokens = special_tokens(folder)
        self._stop = frozenset(prompt.stop)

    @property
    def stop(self) -> frozenset[int]:
        """The ids that end an answer."""
        return self._stop

    def encode(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> list[int]:
        """Return the token ids of the conversation, up to where the assistant begins to answer.

        Raises:
            ScaffoldError: a text contains a control token.
        """
        for text in texts_of(messages, tools):
            self.prompt.check_text(text, self.special_tokens)
        return self._encode(list(messages), tools)

    def encode_text(self, text: str) -> list[int]:
        """Return the token ids of a text outside of any conversation. Raises as `encode` does."""
        self.prompt.check_text(text, self.special_tokens)
        return self._encode_text(text)

    def pieces(self, ids: Iterable[int]) -> Iterator[str]:
        """Yield the text of `ids` in pieces, as soon as each is certain."""
        return pieces(ids, self._decode)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of `ids`; control tokens and ids outside the vocabulary have none."""
        return "".join(self.pieces(ids))

    def sample(
        self,
        ids: Sequence[int],
        max_new_tokens: int,
        sampling: Sampling = GREEDY,
        check: Callable[..., None] | None = None,
    ) -> Generator[int, None, None]:
        """Yield the token ids of one answer, chosen as `sampling` says.

        Args:
            check: called before each piece of the prompt is read, with the most seconds that Python
                may stand still meanwhile; what it raises ends the answer.

        Raises:
            BadSchema: the sampling's schema is invalid.
        """
        room = self.room([ids], max_new_tokens)
        for token in self._tokens(list(ids), room, sampling=sampling, check=check):
            if token in self._stop:
                return
            yield token

    def generate(self, batch: Sequence[Sequence[int]], max_new_tokens: int) -> list[list[int]]:
        """Return the answers to prompts of any lengths, in order: new ids, the stop id excluded."""
        answers = dict(self.generate_each(batch, max_new_tokens))
        return [answers[row] for row in range(len(batch))]

    def generate_each(
        self, batch: Sequence[Sequence[int]], max_new_tokens: int
    ) -> Iterator[tuple[int, list[int]]]:
        """Yield (row, new ids) for each prompt, in any order; see `generate`."""
        room = self.room(batch, max_new_tokens)
        for rows in self._groups(batch, room):
            new = self._batch([list(batch[row]) for row in rows], room)
            for row, ids in zip(rows, new, strict=True):
                end = next((i for i, token in enumerate(ids) if token in self._stop), len(ids))
                yield row, ids[:end]

    def time_tokens(self, ids: Sequence[int], count: int) -> list[float]:
        """Return the seconds until each of `count` new tokens, whether or not the answer ended.

        There are fewer where the context is full.
        """
        room = self.room([ids], count)
        start = time.perf_counter()
        return [time.perf_counter() - start for _ in self._tokens(list(ids), room, room)]

    def read(self, prompts: Sequence[Sequence[int]], longest: int) -> Iterator[PromptReading]:
        """Read prompts, in batches and any order; what all begin with is computed once.

        Args:
            prompts: token ids.
            longest: tokens that will be scored or answered behind each, at most.

        Raises:
            ScaffoldError: a prompt fills the whole context.
        """
        self.room(prompts, longest)
        length = shared_prefix(prompts)
        if max(map(len, prompts), default=0) + longest > self.plain_context:
            length = 0
        prefix = self._read_prefix(list(prompts[0][:length]), prompts, longest) if length else None
        for rows in self._groups_to_read(prompts, longest):
            yield self._read(rows, [prompts[row] for row in rows], prefix, longest)

    def score(
        self, prompts: Sequence[Sequence[int]], continuations: Sequence[Sequence[Sequence[int]]]
    ) -> Iterator[tuple[int, list[np.ndarray]]]:
        """Yield the logits that each continuation's tokens would be chosen from.

        Args:
            continuations: for each prompt its continuations, the token that ends the turn included;
                each of its own length C of at least 1.

        Yields:
            A row's number and, for each of its continuations, what `PromptReading.score` yields.
            Rows in any order.

        Raises:
            ScaffoldError: a prompt fills the whole context.
        """
        longest = max((len(ids) for row in continuations for ids in row), default=1)
        for reading in self.read(prompts, longest):
            scored = reading.score([(r, ids) for r in reading.rows for ids in continuations[r]])
            for row in reading.rows:
                yield row, [next(scored) for _ in continuations[row]]

    def room(self, batch: Sequence[Sequence[int]], max_new_tokens: int) -> int:
        """Return how many new tokens fit after every prompt: at most `max_new_tokens`.

        Raises:
            ScaffoldError: a prompt fills the whole context.
        """
        longest = max(map(len, batch), default=0)
        if longest >= self.context:
            raise ScaffoldError(
                f"The prompt has {longest} tokens; this model reads at most {self.context}, "
                "the answer included.",
                fix="shorten the text",
            )
        return min(max_new_tokens, self.context - longest)

    @abc.abstractmethod
    def close(self) -> None:
        """Free the memory. Closing twice is allowed."""

    def __enter__(self) -> Form:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @abc.abstractmethod
    def _decode(self, ids: Sequence[int]) -> str:
        """Return the text of `ids`, incomplete characters as `UNFINISHED`."""

    @abc.abstractmethod
    def _encode(self, messages: list[Message], tools: Sequence[Tool] = ()) -> list[int]:
        """Render by the folder's own chat template, then tokenize with nothing added."""

    @abc.abstractmethod
    def _encode_text(self, text: str) -> list[int]:
        """Tokenize with nothing added."""

    @abc.abstractmethod
    def _tokens(
        self,
        ids: list[int],
        room: int,
        least: int = 0,
        sampling: Sampling = GREEDY,
        check: Callable[..., None] | None = None,
    ) -> Iterator[int]:
        """Yield at most `room` new ids, at least `least` before the model may end the answer.

        They may include and go past a stop id. `check` is as for `sample`.
        """

    @abc.abstractmethod
    def _batch(self, batch: list[list[int]], room: int) -> list[list[int]]:
        """Return at most `room` new ids for each prompt; they may go past a stop id."""

    @abc.abstractmethod
    def _read_prefix(self, ids: list[int], prompts: Sequence[Sequence[int]], longest: int) -> Any:
        """Read what all prompts begin with; return what `_read` needs of it."""

    @abc.abstractmethod
    def _read(
        self, rows: list[int], prompts: list[Sequence[int]], prefix: Any, longest: int
    ) -> PromptReading:
        """Read the prompts of some rows, behind the prefix where there is one; see `read`."""

    def _groups_to_read(self, prompts: Sequence[Sequence[int]], room: int) -> Iterator[list[int]]:
        """Yield rows to read together."""
        return self._groups(prompts, room)

    def _groups(self, batch: Sequence[Sequence[int]], room: int) -> Iterator[list[int]]:
        """Yield rows to run together: of similar length, and few enough for the memory."""
        group: list[int] = []
        for row in sorted(range(len(batch)), key=lambda row: len(batch[row]), reverse=True):
            if group:
                longest = len(batch[group[0]])
                full = len(group) >= max(1, min(BATCH_ROWS, BATCH_TOKENS // (longest + room)))
                if full or not self._together(longest, len(batch[row]), room):
                    yield group
                    group = []
            group.append(row)
        if group:
            yield group

    def _together(self, longest: int, length: int, room: int) -> bool:
        """Tell whether a prompt of `length` may share a batch with one of `longest` tokens."""
        return longest + room <= self.plain_context


def pieces(ids: Iterable[int], decode: Callable[[Sequence[int]], str]) -> Iterator[str]:
    """Yield text as soon as it is certain: an incomplete character waits.

    Decoding looks at a short window, not at the token alone, since a token's text may depend on
    the one before it (the space that a SentencePiece tokenizer leaves off at the beginning).
    Bytes that are no character after `LONGEST_WAIT` tokens are written out as they are: ONNX
    Runtime GenAI would drop everything after them.
    """
    source, todo = iter(ids), deque[int]()
    window: list[int] = []
    known = 0  # how many ids of the window were written out
    while True:
        token = todo.popleft() if todo else next(source, None)
        if token is not None:
            window.append(token)
        elif known == len(window):
            return
        text = decode(window)[len(decode(window[:known])) :]
        if text and not text.endswith(UNFINISHED):
            yield text
            window = window[known:]
            known = len(window)
        elif token is None or len(window) - known >= LONGEST_WAIT:
            broken = decode(window[known : known + 1])
            if broken:
                yield broken
            todo.extendleft(reversed(window[known + 1 :]))
            window, known = [], 0
