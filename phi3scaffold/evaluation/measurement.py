"""Measure one form on the held-out rows.

Every form generates a greedy answer to each prompt. Its logits give the log-likelihood of the
expected answer and of every label, their end of turn included; which tokens it would have chosen
where the adapter chose its own; and the divergence from the adapter. Speed is that of one prompt at
a time, as a user would run it.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from phi3scaffold.evaluation.evaluation_set import EvaluationSet
from phi3scaffold.models.prompt import Prompt
from phi3scaffold.pipeline.events import Emit, Step
from phi3scaffold.project.settings import Project

if TYPE_CHECKING:
    import numpy as np

    from phi3scaffold.inference.forms.form import Form

BATCH = 32  # prompts between two progress events
COMPARED = 512  # positions at which two forms' logits are compared
COMPARED_BYTES = 128 << 20  # memory that these logits may take
TIMED_PROMPTS = 3
TIMED_TOKENS = 32
TIMED_SECONDS = 5.0  # a slow model is timed with fewer prompts


@dataclass(frozen=True)
class Candidate:
    """A form to measure, as `phi3scaffold.inference.forms.open_form` opens it."""

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
class Measurement:
    """The measurement of one form. Lists have one entry a row.

    Attributes:
        answers: the generated texts.
        answer_ids: their ids, without the end of the turn.
        ended: whether it ended its turn by itself.
        prompts: the ids its tokenizer made of each prompt.
        log_likelihood: of the expected answer, in nats, summed over its tokens.
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
        """Return what other forms are compared with; `logits` was written by `measure`."""
        answers = zip(self.answer_ids, self.ended, strict=True)
        return Reference([ids + [end] * ended for ids, ended in answers], logits)


def measure(
    candidate: Candidate,
    dataset: EvaluationSet,
    emit: Emit,
    *,
    reference: Reference | None = None,
    save_logits: Path | None = None,
) -> Measurement:
    """Measure one form on all rows, in this process.

    Args:
        candidate: the form.
        dataset: the rows to measure on.
        emit: takes progress events.
        reference: what to compare with.
        save_logits: where to write the logits at the compared positions (.npy, float32).

    Raises:
        ScaffoldError: the form cannot be opened, or a prompt is longer than its context.
    """
    with candidate.open() as form:
        prompts = [form.encode(row.messages[:-1], row.tools) for row in dataset.rows]
        steps = 2 * len(prompts)
        progress = _RowProgress(emit, candidate.form, steps)
        first_token, rate = _speed(form, prompts)
        answer_ids, ended = _generate(form, prompts, dataset.max_new_tokens, progress)
        scores = _Scores(dataset, reference)
        # in batches, so that progress shows
        order = sorted(range(len(prompts)), key=lambda row: len(prompts[row]))
        for batch in _batches(order):
            continuations = [scores.continuations(row) for row in batch]
            for number, logits in form.score([prompts[row] for row in batch], continuations):
                scores.add(batch[number], logits)
            progress.add(len(batch))
        if save_logits is not None:
            scores.save(save_logits)
        return Measurement(
            answers=[form.decode(ids).strip() for ids in answer_ids],
            answer_ids=answer_ids,
            ended=ended,
            prompts=prompts,
            log_likelihood=scores.log_likelihood,
            likeliest=scores.likeliest if dataset.labels else [],
            agreed=scores.agreed,
            agreed_of=scores.agreed_of,
            kl=scores.kl,
            max_logit_difference=scores.max_logit_difference,
            compared=scores.compared,
            first_token_seconds=first_token,
            tokens_per_second=rate,
        )


def _batches(order: Sequence[int]) -> Iterator[list[int]]:
    for start in range(0, len(order), BATCH):
        yield list(order[start : start + BATCH])


class _RowProgress:
    """Emits how many rows of a form are done."""

    def __init__(self, emit: Emit, form: str, of: int) -> None:
        self._emit, self._form, self._of, self._done = emit, form, of, 0

    def add(self, rows: int) -> None:
        self._done += rows
        self._emit(Step(self._done, self._of, form=self._form))


def _speed(form: Form, prompts: list[list[int]]) -> tuple[float, float]:
    """Return the median seconds to the first token and tokens a second after it, of the
    prompts of medium length."""
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


def _generate(
    form: Form, prompts: list[list[int]], most: int, progress: _RowProgress
) -> tuple[list[list[int]], list[bool]]:
    """Return greedy answers of at most `most` tokens, and whether each ended its turn."""
    answers: list[list[int]] = [[] for _ in prompts]
    ended = [False] * len(prompts)
    order = sorted(range(len(prompts)), key=lambda row: len(prompts[row]))
    for batch in _batches(order):
        chosen = [prompts[row] for row in batch]
        room = form.room(chosen, most)
        for row, ids in zip(batch, form.generate(chosen, most), strict=True):
            answers[row] = ids
            ended[row] = len(ids) < room
        progress.add(len(batch))
    return answers, ended


class _Scores:
    """Likelihoods, agreement and divergence, from the logits of every continuation."""

    def __init__(self, dataset: EvaluationSet, reference: Reference | None) -> None:
        import numpy as np

        count = len(dataset.rows)
        self._dataset, self._reference = dataset, reference
        self._theirs = np.load(reference.logits, mmap_mode="r") if reference else None
        # where each row's answer begins among the compared positions
        self._starts = [0, *itertools.accumulate(map(len, dataset.answers))]
        self._logits: dict[int, np.ndarray] = {}
        self._kl = self._widest = 0.0
        self.compared = 0
        self.log_likelihood = [0.0] * count
        self.likeliest = [-1] * count
        self.agreed, self.agreed_of = [0] * count, [0] * count

    def continuations(self, row: int) -> list[tuple[int, ...]]:
        """Return what to score after a row's prompt, each once; the expected answer first."""
        unique = {self._dataset.answers[row]: None}
        unique |= dict.fromkeys(self._dataset.label_ids)
        if self._reference and self._reference.answers[row]:
            unique[tuple(self._reference.answers[row])] = None
        return list(unique)

    def add(self, row: int, logits: list[np.ndarray]) -> None:
        """Add the logits of `continuations(row)`, in that order."""
        import numpy as np

        ids = self.continuations(row)
        by_ids = dict(zip(ids, logits, strict=True))
        expected = self._dataset.answers[row]
        self.log_likelihood[row] = _log_likelihood(by_ids[expected], expected)
        if self._dataset.label_ids:
            scores = [_log_likelihood(by_ids[label], label) for label in self._dataset.label_ids]
            self.likeliest[row] = int(np.argmax(scores))
        if self._reference and self._reference.answers[row]:
            theirs = tuple(self._reference.answers[row])
            chosen = by_ids[theirs].argmax(-1)
            self.agreed[row] = int((chosen == np.array(theirs)).sum())
            self.agreed_of[row] = len(theirs)
        self._compare(row, by_ids[expected])

    def _compare(self, row: int, mine: np.ndarray) -> None:
        import numpy as np

        most = min(COMPARED, COMPARED_BYTES // (mine.shape[1] * mine.itemsize))
        start = self._starts[row]
        mine = mine[: max(0, most - start)]
        if not len(mine):
            return
        if self._theirs is None:
            self._logits[row] = mine
            return
        width = min(mine.shape[1], self._theirs.shape[1])  # a graph may pad its vocabulary
        mine, theirs = mine[:, :width], self._theirs[start : start + len(mine), :width]
        p, q = _log_softmax(theirs), _log_softmax(mine)
        self._kl += float((np.exp(p) * (p - q)).sum())
        self._widest = max(self._widest, float(np.abs(mine - theirs).max()))
        self.compared += len(mine)

    @property
    def kl(self) -> float | None:
        """Mean divergence from the reference, in nats; None without one."""
        return max(0.0, self._kl / self.compared) if self.compared else None

    @property
    def max_logit_difference(self) -> float | None:
        """Largest difference of any logit from the reference's; None without one."""
        return self._widest if self.compared else None

    def save(self, path: Path) -> None:
        """Write the logits at the compared positions."""
        import numpy as np

        np.save(path, np.concatenate([self._logits[row] for row in sorted(self._logits)]))


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    """Normalise over the last axis, in float64: small differences matter here."""
    import numpy as np

    wide = logits.astype(np.float64)
    wide -= wide.max(-1, keepdims=True)
    return wide - np.log(np.exp(wide).sum(-1, keepdims=True))


def _log_likelihood(logits: np.ndarray, ids: Sequence[int]) -> float:
    """Sum the log-likelihood of the ids, in nats, from logits [len(ids), vocabulary]."""
    return float(_log_softmax(logits)[range(len(ids)), list(ids)].sum())
