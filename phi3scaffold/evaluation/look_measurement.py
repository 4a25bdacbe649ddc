"""Measure every form on the rows of one look, and join what several looks have measured."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from phi3scaffold.datasets.question_groups import question_groups
from phi3scaffold.evaluation.evaluation_set import EvaluationSet
from phi3scaffold.evaluation.few_rows import EARLY, as_adapter, few_rows, is_alike, tells_apart
from phi3scaffold.evaluation.form_estimates import FormEstimates, MeasuredRows
from phi3scaffold.evaluation.looks import MOST_LOOKS
from phi3scaffold.evaluation.measurement import LISTS, Candidate, Measurement
from phi3scaffold.evaluation.row_scores import Reference
from phi3scaffold.evaluation.subprocess_measurement import measure_in_subprocess
from phi3scaffold.pipeline.events import Emit, Event, Note, Step
from phi3scaffold.project.files import read_json, write_json


@dataclass
class FormRows:
    """What was measured of a form.

    Attributes:
        rows: their numbers in the evaluation, ascending.
        measurement: of these rows.
        alike_rows: how many of them showed that the others are the adapter's; None: see
            `FormMetrics`.
        is_enough: whether these rows are all that later looks need of it.
    """

    rows: list[int]
    measurement: Measurement
    alike_rows: int | None = None
    is_enough: bool = False

    def joined(self, other: FormRows) -> FormRows:
        """Return the same with the rows of a later look."""
        one, two = self.measurement, other.measurement
        rows = [*self.rows, *other.rows]
        order = sorted(range(len(rows)), key=rows.__getitem__)
        lists: dict[str, Any] = {}
        for name in set(LISTS) - {"rows"}:
            its, others = getattr(one, name), getattr(two, name)
            # what one of them lacks, such as an adapter's leads, is not known of all rows
            lists[name] = [*its, *others] if its and others else []
        first = [*one.first_token_samples, *two.first_token_samples]
        rates = [*one.rate_samples, *two.rate_samples]
        widest = [its.max_logit_difference for its in (one, two)]
        known = [value for value in widest if value is not None]
        both = replace(
            one,
            **lists,
            rows=rows,
            compared=one.compared + two.compared,
            max_logit_difference=max(known, default=None),
            peak_bytes=max(one.peak_bytes, two.peak_bytes),
            first_token_seconds=statistics.median(first) if first else one.first_token_seconds,
            tokens_per_second=statistics.median(rates) if rates else one.tokens_per_second,
            logit_starts=[],
            broken=one.broken or two.broken,
        )
        if sum(both.kl_of):
            both.kl = sum(both.kl_sums) / sum(both.kl_of)
        alike = [its.alike_rows for its in (self, other)]
        return FormRows(
            [rows[place] for place in order],
            both.take(order),
            sum(filter(None, alike)) if all(alike) else None,
            self.is_enough or other.is_enough,
        )


class LookMeasurement:
    """Measures the forms on the rows of one look, each in a process of its own.

    Args:
        candidates: the forms; the first is what the others are compared with.
        dataset: the rows of the look, or for the first form's first look those to choose from.
        emit: takes progress events.
        folder: gets what was measured; what an earlier run left there is not measured again.
        log: takes what the libraries print.
        look: its number, from 1 on.
        seconds: that it may take; None: as long as its rows need.
        most_looks: see `measure`.
        validation: rows on which the labels' probabilities are calibrated; one look's are enough.
    """

    def __init__(
        self,
        candidates: Sequence[Candidate],
        dataset: EvaluationSet,
        emit: Emit,
        folder: Path,
        log: Path,
        look: int = 1,
        seconds: float | None = None,
        most_looks: int = MOST_LOOKS,
        validation: EvaluationSet | None = None,
    ) -> None:
        self._candidates, self._dataset = candidates, dataset
        self._emit, self._folder, self._log = emit, folder, log
        self._look, self._seconds, self._most_looks = look, seconds, most_looks
        self._validation = validation
        self._logits = folder / self._name("logits", "npy")
        self._reference: Reference | None = None
        self._done = 0

    def _name(self, stem: str, ending: str) -> str:
        return f"{stem}{f'-look{self._look}' if self._look > 1 else ''}.{ending}"

    def measure_first(self) -> Measurement:
        """Measure what the others are compared with; its rows are the look's."""
        first = self._measure(self._candidates[0])
        self._reference = first.as_reference(self._logits, self._dataset.end)
        self._dataset = self._dataset.take(first.rows)
        self._done = 1
        return first

    def measure_others(self, first: Measurement, enough: set[str]) -> dict[str, FormRows]:
        """Measure the other forms but those of which there is `enough`.

        Returns:
            form -> what was measured, with the numbers of the rows within the look.
        """
        every = list(range(len(self._dataset.rows)))
        found = {self._candidates[0].form: FormRows(every, first)}
        for candidate in self._candidates[1:]:
            form = candidate.form
            if form not in enough:
                few = few_rows(form, first)
                found[form] = self._decided(candidate, few, first) if few else self._all(candidate)
            self._done += 1
        return found

    def _all(self, candidate: Candidate) -> FormRows:
        measurement = self._measure(candidate)
        return FormRows(list(measurement.rows), measurement)

    def _decided(self, candidate: Candidate, few: list[int], first: Measurement) -> FormRows:
        """Measure a form on few rows, and on all where these are not enough."""
        measurement = self._measure(candidate, few)
        if measurement.broken:
            return FormRows([few[row] for row in measurement.rows], measurement)
        if candidate.form == "base" and self._tells_apart(measurement, few, first):
            return FormRows(few, measurement, is_enough=True)
        if candidate.form == "merged" and is_alike(measurement, first, few):
            whole = as_adapter(measurement, first, few)
            return FormRows(list(range(len(self._dataset.rows))), whole, len(few))
        return self._all(candidate)

    def _tells_apart(self, base: Measurement, rows: Sequence[int], adapter: Measurement) -> bool:
        """Return whether the rows that the base was measured on are enough."""
        every = range(len(self._dataset.rows))
        both = {"base": MeasuredRows(rows, base), "adapter": MeasuredRows(every, adapter)}
        groups = question_groups(self._dataset.rows)
        estimates = FormEstimates(self._dataset, both, groups, {}, EARLY)
        return tells_apart(estimates.over_base("adapter"))

    def _measure(self, candidate: Candidate, rows: Sequence[int] = ()) -> Measurement:
        """Measure a form; on some rows, by their numbers, or on all."""
        stem = f"{candidate.form}-{len(rows)}" if rows else candidate.form
        saved = self._folder / self._name(stem, "json")
        if saved.is_file():
            self._emit(Note("evaluate", f"{candidate.form} was measured by an earlier run"))
            return Measurement(**read_json(saved))
        before, reference = self._done, self._reference

        def emit_overall(event: Event) -> None:
            assert isinstance(event, Step)
            step, of = event.step + event.of * before, event.of * len(self._candidates)
            self._emit(replace(event, step=step, of=of))

        measurement = measure_in_subprocess(
            candidate,
            self._dataset.take(rows) if rows else self._dataset,
            emit_overall,
            self._log,
            reference=reference.take(rows) if reference and rows else reference,
            save_logits=None if reference else self._logits,
            seconds=None if reference else self._seconds,
            most_looks=self._most_looks,
            validation=None if rows or candidate.form == "base" else self._validation,
        )
        write_json(saved, vars(measurement))
        return measurement
