"""Measure one form in a process of its own, so that its memory is its own and comes back.

What is asked of every form: a free, greedy answer to each prompt; the log-likelihood of the right
answer and of every label, their end of turn included; which tokens it would have chosen where the
adapter chose its own; its logits at the positions that are compared; its speed, one prompt at a
time, as a user would run it.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from phi3scaffold.evaluation.questions import Questions
from phi3scaffold.models.prompt import Prompt
from phi3scaffold.pipeline.events import Emit, Step
from phi3scaffold.project.settings import Project

if TYPE_CHECKING:
    import numpy as np

    from phi3scaffold.inference.forms.form import Form

BATCH = 32  # prompts between two words of progress
COMPARED = 512  # positions at which two forms' logits are compared
COMPARED_BYTES = 128 << 20  # and the memory they may take
TIMED_PROMPTS = 3
TIMED_TOKENS = 32
TIMED_SECONDS = 5.0  # after so long, fewer prompts have to do


@dataclass(frozen=True)
class Subject:
    """Which form to open; see `phi3scaffold.inference.forms.open_form`."""

    form: str
    where: Project | Path
    base: Path | None = None
    prompt: Prompt | None = None
    adapter: str | None = None

    def open(self) -> Form:
        from phi3scaffold.inference.forms import open_form

        named = {"adapter": self.adapter} if self.adapter else {}
        return open_form(self.form, self.where, base=self.base, prompt=self.prompt, **named)


@dataclass(frozen=True)
class Reference:
    """What the other forms are compared with: the adapter, as measured before them.

    Attributes:
        answers: the ids it answered each row with, the end of the turn where it came included.
        logits: an .npy file of its logits at the compared positions, [positions, vocabulary].
    """

    answers: list[list[int]]
    logits: Path


@dataclass
class Measured:
    """What one form did. Lists have one entry a row.

    Attributes:
        answers: the texts it answered.
        answer_ids: their ids, without the end of the turn.
        ended: whether it ended its turn by itself.
        prompts: the ids its tokenizer made of each prompt.
        log_likelihood: of the right answer, in nats, summed over its tokens.
        likeliest: the number of the likeliest label; [] for free answers.
        agreed: of the reference's tokens, how many it would have chosen too.
        agreed_of: how many there were.
        kl: mean Kullback-Leibler divergence of it from the reference, in nats; None without one.
        max_logit_difference: the largest difference of any logit from the reference's.
        compared: how many positions these two are over.
        first_token_seconds: median time to the first token, one prompt at a time.
        tokens_per_second: median rate of the tokens after it.
        peak_bytes: peak memory of its process; 0 where it is not known.
    """

    answers: list[str]
    answer_ids: list[list[int]]
    ended: list[bool]
    prompts: list[list[int]]
    log_likelihood: list[float]
    likeliest: list[int]
    agreed: list[int]
    agreed_of: list[int]
    kl: float | None
    max_logit_difference: float | None
    compared: int
    first_token_seconds: float
    tokens_per_second: float
    peak_bytes: int = 0

    def as_reference(self, logits: Path, end: int) -> Reference:
        """This form as what others are compared with; `logits` was written by `measure`."""
        answers = zip(self.answer_ids, self.ended, strict=True)
        return Reference([ids + [end] * ended for ids, ended in answers], logits)


def measure(
    subject: Subject,
    asked: Questions,
    emit: Emit,
    *,
    reference: Reference | None = None,
    save_logits: Path | None = None,
) -> Measured:
    """Ask one form all questions, in this process.

    Args:
        subject: the form.
        asked: the questions.
        emit: takes progress events.
        reference: what to compare with.
        save_logits: where to write the logits at the compared positions (.npy, float32).

    Raises:
        ScaffoldError: the form cannot be opened, or a prompt is longer than its context.
    """
    with subject.open() as form:
        prompts = [form.encode(row.messages[:-1]) for row in asked.rows]
        steps = 2 * len(prompts)
        progress = _Progress(emit, subject.form, steps)
        first_token, rate = _speed(form, prompts)
        answer_ids, ended = _answers(form, prompts, asked, progress)
        scored = _Scores(asked, reference)
        # in batches of our own, so that the progress is seen
        order = sorted(range(len(prompts)), key=lambda row: len(prompts[row]))
        for batch in _batches(order):
            continuations = [scored.continuations(row) for row in batch]
            for number, logits in form.score([prompts[row] for row in batch], continuations):
                scored.take(batch[number], logits)
            progress.add(len(batch))
        if save_logits is not None:
            scored.save(save_logits)
        return Measured(
            answers=[form.decode(ids).strip() for ids in answer_ids],
            answer_ids=answer_ids,
            ended=ended,
            prompts=prompts,
            log_likelihood=scored.log_likelihood,
            likeliest=scored.likeliest if asked.labels else [],
            agreed=scored.agreed,
            agreed_of=scored.agreed_of,
            kl=scored.kl,
            max_logit_difference=scored.max_logit_difference,
            compared=scored.compared,
            first_token_seconds=first_token,
            tokens_per_second=rate,
        )


def _batches(order: Sequence[int]) -> Iterator[list[int]]:
    for start in range(0, len(order), BATCH):
        yield list(order[start : start + BATCH])


class _Progress:
    def __init__(self, emit: Emit, form: str, of: int) -> None:
        self._emit, self._form, self._of, self._done = emit, form, of, 0

    def add(self, rows: int) -> None:
        self._done += rows
        self._emit(Step(self._done, self._of, form=self._form))


def _speed(form: Form, prompts: list[list[int]]) -> tuple[float, float]:
    """Median seconds to the first token and tokens a second after it, of the middling prompts."""
    by_length = sorted(prompts, key=len)
    middle = max(0, (len(by_length) - TIMED_PROMPTS) // 2)
    first, rates, spent = [], [], 0.0
    chosen = by_length[middle : middle + TIMED_PROMPTS]
    small = form.time_tokens(chosen[0], 2)[-1] < TIMED_SECONDS / TIMED_TOKENS  # warms up, too
    count = TIMED_TOKENS if small else TIMED_TOKENS // 4
    for ids in chosen:
        seconds = form.time_tokens(ids, count)
        first.append(seconds[0])
        if len(seconds) > 1:
            rates.append((len(seconds) - 1) / (seconds[-1] - seconds[0]))
        spent += seconds[-1]
        if spent > TIMED_SECONDS:
            break
    return statistics.median(first), statistics.median(rates) if rates else 0.0


def _answers(
    form: Form, prompts: list[list[int]], asked: Questions, progress: _Progress
) -> tuple[list[list[int]], list[bool]]:
    """Greedy answers, and whether each came to its end."""
    answers: list[list[int]] = [[] for _ in prompts]
    ended = [False] * len(prompts)
    order = sorted(range(len(prompts)), key=lambda row: len(prompts[row]))
    for batch in _batches(order):
        given = [prompts[row] for row in batch]
        room = form.room(given, asked.room)
        for row, ids in zip(batch, form.generate(given, asked.room), strict=True):
            answers[row] = ids
            ended[row] = len(ids) < room
        progress.add(len(batch))
    return answers, ended


class _Scores:
    """What the logits of every continuation come to, row by row."""

    def __init__(self, asked: Questions, reference: Reference | None) -> None:
        import numpy as np

        count = len(asked.rows)
        self._asked, self._reference = asked, reference
        self._theirs = np.load(reference.logits, mmap_mode="r") if reference else None
        # of each row's answer among the compared positions
        self._starts = [0, *itertools.accumulate(map(len, asked.answers))]
        self._kept: dict[int, np.ndarray] = {}
        self._kl = self._widest = 0.0
        self.compared = 0
        self.log_likelihood = [0.0] * count
        self.likeliest = [-1] * count
        self.agreed, self.agreed_of = [0] * count, [0] * count

    def continuations(self, row: int) -> list[tuple[int, ...]]:
        """What to score behind a row's prompt, each once; the right answer first."""
        found = {self._asked.answers[row]: None}
        found |= dict.fromkeys(self._asked.label_ids)
        if self._reference and self._reference.answers[row]:
            found[tuple(self._reference.answers[row])] = None
        return list(found)

    def take(self, row: int, logits: list[np.ndarray]) -> None:
        """The logits of `continuations(row)`, in that order."""
        import numpy as np

        ids = self.continuations(row)
        by_ids = dict(zip(ids, logits, strict=True))
        right = self._asked.answers[row]
        self.log_likelihood[row] = _log_likelihood(by_ids[right], right)
        if self._asked.label_ids:
            scores = [_log_likelihood(by_ids[label], label) for label in self._asked.label_ids]
            self.likeliest[row] = int(np.argmax(scores))
        if self._reference and self._reference.answers[row]:
            theirs = tuple(self._reference.answers[row])
            chosen = by_ids[theirs].argmax(-1)
            self.agreed[row] = int((chosen == np.array(theirs)).sum())
            self.agreed_of[row] = len(theirs)
        self._compare(row, by_ids[right])

    def _compare(self, row: int, mine: np.ndarray) -> None:
        most = min(COMPARED, COMPARED_BYTES // (mine.shape[1] * mine.itemsize))
        start = self._starts[row]
        mine = mine[: max(0, most - start)]
        if not len(mine):
            return
        if self._theirs is None:
            self._kept[row] = mine
            return
        width = min(mine.shape[1], self._theirs.shape[1])  # a graph may pad its vocabulary
        mine, theirs = mine[:, :width], self._theirs[start : start + len(mine), :width]
        p, q = _log_softmax(theirs), _log_softmax(mine)
        import numpy as np

        self._kl += float((np.exp(p) * (p - q)).sum())
        self._widest = max(self._widest, float(np.abs(mine - theirs).max()))
        self.compared += len(mine)

    @property
    def kl(self) -> float | None:
        return max(0.0, self._kl / self.compared) if self.compared else None

    @property
    def max_logit_difference(self) -> float | None:
        return self._widest if self.compared else None

    def save(self, path: Path) -> None:
        import numpy as np

        np.save(path, np.concatenate([self._kept[row] for row in sorted(self._kept)]))


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    """Over the last axis, in float64: differences of small numbers are what is looked for."""
    import numpy as np

    wide = logits.astype(np.float64)
    wide -= wide.max(-1, keepdims=True)
    return wide - np.log(np.exp(wide).sum(-1, keepdims=True))


def _log_likelihood(logits: np.ndarray, ids: Sequence[int]) -> float:
    """Of the ids, in nats, given the logits [len(ids), vocabulary] behind each."""
    import numpy as np

    wide = logits.astype(np.float64)
    highest = wide.max(-1)
    total = highest + np.log(np.exp(wide - highest[:, None]).sum(-1))
    return float((wide[np.arange(len(ids)), list(ids)] - total).sum())
