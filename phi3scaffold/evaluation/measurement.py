"""Measure one form on the held-out rows.

Every form generates a greedy answer to each prompt. Its logits give the log-likelihood of the
expected answer and of the likeliest label, their end of turn included; which tokens it would have
chosen where the adapter chose its own; and the divergence from the adapter. A prompt is read once
for all of this, in a batch, and what all prompts begin with once for all. Speed is that of one
prompt at a time, as a user would run it.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phi3scaffold.evaluation.evaluation_set import EvaluationSet
from phi3scaffold.evaluation.looks import MOST_LOOKS
from phi3scaffold.evaluation.neutral_text import neutral_loss
from phi3scaffold.evaluation.row_chunks import RowChunks
from phi3scaffold.evaluation.row_scores import Reference, RowScores
from phi3scaffold.inference.label_scores import score_labels
from phi3scaffold.models.prompt import Prompt
from phi3scaffold.pipeline.events import Emit, Step
from phi3scaffold.project.settings import Project

if TYPE_CHECKING:
    from phi3scaffold.inference.forms.form import Form
    from phi3scaffold.inference.forms.reading import PromptReading

# The lists of a measurement with an entry a row.
LISTS = (
    *("rows", "answers", "answer_ids", "ended", "prompts", "log_likelihood", "likeliest"),
    *("agreed", "agreed_of", "leads", "kl_sums", "kl_of", "label_scores"),
)
LOOK = 16  # rows that are measured first, to see whether the form is broken
TIMED_TOKENS = 4, 32  # of an answer, at least and at most
FEWEST_VALIDATION, MOST_VALIDATION = 50, 500  # rows for the labels' probabilities


@dataclass(frozen=True)
class Timing:
    """How the speed is measured: on the prompts of medium length, one at a time.

    Attributes:
        prompts: how many are answered.
        seconds: for all of them; a slow model is timed with fewer tokens.
    """

    prompts: int = 3
    seconds: float = 2.0


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


@dataclass
class Measurement:
    """The measurement of one form. Lists have one entry a row, of those that were measured.

    Attributes:
        rows: the numbers of the rows in the dataset, ascending.
        answers: the generated texts.
        answer_ids: their ids, without the end of the turn.
        ended: whether it ended its turn by itself.
        prompts: the ids its tokenizer made of each prompt.
        log_likelihood: of the expected answer, in nats, summed over its tokens.
        likeliest: the number of the likeliest label; [] for free answers.
        label_scores: the log-likelihood of each label, see `score_labels`; [] for free answers.
        validation_scores: the same of validation rows: the first ones of those that were given.
        agreed: of the reference's tokens, how many it would have chosen too.
        agreed_of: how many there were.
        kl: mean Kullback-Leibler divergence of it from the reference, in nats; None without one.
        kl_sums: of each row, the divergence summed over its compared positions, in nats.
        kl_of: how many these were.
        neutral_loss: cross entropy of a neutral text, in nats a token; None where it does not fit.
        broken: whether it ended early, since the first rows showed a broken form.
        max_logit_difference: the largest difference of any logit from the reference's.
        compared: how many positions these two are over.
        first_token_seconds: median time to the first token, one prompt at a time.
        tokens_per_second: median rate of the tokens after it.
        peak_bytes: peak memory of its process; 0 where it is not known.
        logit_starts: of a reference: pairs of a row, by its place in the lists, and of where the
            saved logits of its expected answer begin.
        leads: of a reference: by how much the logit of the answer's tokens leads, at least; 0 where
            that is not known.
        first_token_samples: the seconds whose median is above.
        rate_samples: the rates whose median is above.
        looks: where the time was limited, how many rows each look is to have seen by its end; the
            first look's are measured here.
        pilot: how many of these showed how long a row takes; see `look_order`.
    """

    rows: list[int]
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
    logit_starts: list[list[int]] = field(default_factory=list)
    leads: list[float] = field(default_factory=list)
    first_token_samples: list[float] = field(default_factory=list)
    rate_samples: list[float] = field(default_factory=list)
    kl_sums: list[float] = field(default_factory=list)
    kl_of: list[int] = field(default_factory=list)
    broken: bool = False
    neutral_loss: float | None = None
    label_scores: list[list[float]] = field(default_factory=list)
    validation_scores: list[list[float]] = field(default_factory=list)
    looks: list[int] = field(default_factory=list)
    pilot: int = 0

    def as_reference(self, logits: Path, end: int) -> Reference:
        """Return what other forms are compared with, on these rows.

        Args:
            logits: the file that `measure` saved.
            end: the id that ends a turn.
        """
        answers = zip(self.answer_ids, self.ended, strict=True)
        answers_with_end = [ids + [end] * ended for ids, ended in answers]
        starts = {row: start for row, start in self.logit_starts}  # noqa: C416 (lists from JSON)
        return Reference(answers_with_end, logits, starts)

    def take(self, rows: Sequence[int]) -> Measurement:
        """Return the same with the lists' entries for some rows alone, by their places."""
        lists = {name: getattr(self, name) for name in LISTS}
        chosen: dict[str, Any] = {
            name: [its[row] for row in rows] for name, its in lists.items() if its
        }
        return replace(self, **chosen)


def measure(
    candidate: Candidate,
    dataset: EvaluationSet,
    emit: Emit,
    *,
    reference: Reference | None = None,
    save_logits: Path | None = None,
    seconds: float | None = None,
    most_looks: int = MOST_LOOKS,
    timing: Timing | None = None,
    validation: EvaluationSet | None = None,
) -> Measurement:
    """Measure one form, in this process.

    Args:
        candidate: the form.
        dataset: the rows to measure on.
        emit: takes progress events.
        reference: what to compare with.
        save_logits: where to write the logits at the compared positions (.npy, float32).
        seconds: that one look may take. Where all rows would take longer, several looks are
            planned, and the rows of the first are measured. None: all rows are measured.
        most_looks: how many; 1 for as many rows as fit into the time.
        timing: how the speed is measured.
        validation: rows whose labels are scored, too: half as many as of the dataset.

    Raises:
        ScaffoldError: the form cannot be opened, or a prompt is longer than its context.
    """
    progress = _Progress(emit, candidate.form, len(dataset.rows))
    with candidate.open() as form:
        prompts = [form.encode(row.messages[:-1], row.tools) for row in dataset.rows]
        first_tokens, rates = _speed(form, prompts, timing or Timing())
        run = _Run(form, prompts, dataset, RowScores(dataset, reference))
        # what came of the reference is like it; the base need not be
        look = reference is not None and candidate.form != "base"
        first = sorted(reference.starts)[:LOOK] if reference and look else []
        chunks = RowChunks(len(prompts), seconds, most_looks)
        for rows in chunks.rows(first):
            for _ in run.rows(rows):
                progress.show(len(run.answers))
            if rows == first and run.scores.is_broken:
                break
        rows, scores = sorted(run.answers), run.scores
        if save_logits is not None:
            scores.save(save_logits)
        is_broken = look and len(rows) < len(prompts) and scores.is_broken
        validated: list[list[float]] = []
        if validation is not None and not is_broken:
            validated = _validation_scores(form, validation, len(rows))
        return Measurement(
            rows=rows,
            answers=[form.decode(run.answers[row]).strip() for row in rows],
            answer_ids=[run.answers[row] for row in rows],
            ended=[run.ended[row] for row in rows],
            prompts=[prompts[row] for row in rows],
            log_likelihood=[scores.log_likelihood[row] for row in rows],
            likeliest=[scores.likeliest[row] for row in rows] if dataset.labels else [],
            agreed=[scores.agreed[row] for row in rows],
            agreed_of=[scores.agreed_of[row] for row in rows],
            kl=scores.kl,
            max_logit_difference=scores.max_logit_difference,
            compared=scores.compared,
            first_token_seconds=statistics.median(first_tokens),
            tokens_per_second=statistics.median(rates) if rates else 0.0,
            logit_starts=[[rows.index(row), start] for row, start in scores.starts.items()],
            leads=[scores.leads[row] for row in rows] if reference is None else [],
            first_token_samples=first_tokens,
            rate_samples=rates,
            kl_sums=[scores.kl_sums[row] for row in rows] if reference else [],
            kl_of=[scores.kl_of[row] for row in rows] if reference else [],
            neutral_loss=neutral_loss(form),
            broken=is_broken,
            label_scores=[scores.labels[row] for row in rows] if dataset.labels else [],
            validation_scores=validated,
            looks=chunks.looks,
            pilot=chunks.pilot,
        )


def validation_rows(measured: int) -> int:
    """Return how many validation rows are scored beside so many that are measured."""
    return max(FEWEST_VALIDATION, min(MOST_VALIDATION, measured // 2))


def _validation_scores(form: Form, dataset: EvaluationSet, measured: int) -> list[list[float]]:
    """Return the labels' scores of the first rows, half as many as were measured."""
    rows = dataset.rows[: validation_rows(measured)]
    prompts = [form.encode(row.messages[:-1], row.tools) for row in rows]
    found: dict[int, list[float]] = {}
    for reading in form.read(prompts, max(map(len, dataset.label_ids))):
        found |= score_labels(reading, dataset.label_ids)
    return [found[row] for row in range(len(prompts))]


class _Progress:
    """Emits how many rows of a form are done, from none on."""

    def __init__(self, emit: Emit, form: str, rows: int) -> None:
        self._emit, self._form, self._rows = emit, form, rows
        self.show(0)

    def show(self, done: int) -> None:
        text = f"{self._form}: {done} of {self._rows} rows"
        self._emit(Step(done, self._rows, form=self._form, phase=text))


class _Run:
    """Answers and scores of rows, batch by batch.

    Attributes:
        answers: row -> the ids of its greedy answer, the stop id excluded.
        ended: row -> whether that ended by itself.
        scores: of the rows.
    """

    def __init__(
        self, form: Form, prompts: list[list[int]], dataset: EvaluationSet, scores: RowScores
    ) -> None:
        self._form, self._prompts = form, prompts
        self._most = dataset.max_new_tokens
        self._longest = max(self._most, *map(len, dataset.answers), *map(len, dataset.label_ids), 1)
        self.answers: dict[int, list[int]] = {}
        self.ended: dict[int, bool] = {}
        self.scores = scores

    def rows(self, rows: Sequence[int]) -> Iterator[None]:
        """Answer and score rows; yield after each batch."""
        prompts = [self._prompts[row] for row in rows]
        for reading in self._form.read(prompts, self._longest):
            numbers = {own: rows[own] for own in reading.rows}
            self._score(reading, numbers)
            self._answer(reading, numbers)
            yield

    def _score(self, reading: PromptReading, numbers: dict[int, int]) -> None:
        for wanted in (self.scores.certain, self.scores.possible):
            todo = [(own, ids) for own, row in numbers.items() for ids in wanted(row)]
            for (own, ids), logits in zip(todo, reading.score(todo), strict=True):
                self.scores.add(numbers[own], ids, logits)

    def _answer(self, reading: PromptReading, numbers: dict[int, int]) -> None:
        room = self._form.room([self._prompts[row] for row in numbers.values()], self._most)
        open_ended = []
        for own, row in numbers.items():
            answer, whole = self.scores.close(row, self._form.stop, room)
            self.answers[row] = answer
            if not whole:
                open_ended.append((own, answer))
        if open_ended:
            for (own, _), answer in zip(open_ended, reading.answer(open_ended, room), strict=True):
                self.answers[numbers[own]] = answer
        for row in numbers.values():
            self.ended[row] = len(self.answers[row]) < room


def _speed(form: Form, prompts: list[list[int]], timing: Timing) -> tuple[list[float], list[float]]:
    """Return seconds to the first token, and tokens a second after it, of the prompts of medium
    length, an answer each."""
    by_length = sorted(prompts, key=len)
    middle = max(0, (len(by_length) - timing.prompts) // 2)
    first, rates, spent = [], [], 0.0
    chosen = by_length[middle : middle + timing.prompts]
    before = form.time_tokens(chosen[0], 2)  # warms up, too
    left = timing.seconds / len(chosen) - before[0]
    least, most = TIMED_TOKENS
    count = max(least, min(most, int(left / max(before[-1] - before[0], 1e-6)) + 1))
    for ids in chosen:
        seconds = form.time_tokens(ids, count)
        first.append(seconds[0])
        if len(seconds) > 1:
            rates.append((len(seconds) - 1) / (seconds[-1] - seconds[0]))
        spent += seconds[-1]
        if spent > timing.seconds:
            break
    return first, rates
