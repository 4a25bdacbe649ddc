"""Measure every form on the same rows, and compare each with the first one: the adapter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from phi3scaffold.datasets.question_groups import question_groups
from phi3scaffold.evaluation.baselines import BaselineAnswers
from phi3scaffold.evaluation.calibration_metrics import calibrate
from phi3scaffold.evaluation.evaluation_set import EvaluationSet
from phi3scaffold.evaluation.few_rows import EARLY, as_adapter, few_rows, is_alike, tells_apart
from phi3scaffold.evaluation.form_estimates import FormEstimates, MeasuredRows
from phi3scaffold.evaluation.form_metrics import compute_metrics
from phi3scaffold.evaluation.measurement import Candidate, Measurement
from phi3scaffold.evaluation.metrics import FormMetrics
from phi3scaffold.evaluation.row_scores import Reference
from phi3scaffold.evaluation.subprocess_measurement import measure_in_subprocess
from phi3scaffold.pipeline.events import Emit, Event, Note, Step
from phi3scaffold.project.files import read_json, write_json
from phi3scaffold.project.formatting import duration

# How long the first form may take, where the number of rows is left to us; the others get its rows.
SECONDS = 600.0


class Comparison(NamedTuple):
    """What came of measuring forms.

    Attributes:
        dataset: the rows that they were measured on.
        forms: form -> its metrics.
        measured: form -> what was measured of it, and on which rows.
        groups: of each row its question; near duplicates have the same.
    """

    dataset: EvaluationSet
    forms: dict[str, FormMetrics]
    measured: dict[str, MeasuredRows]
    groups: list[int]

    @property
    def answers(self) -> dict[str, dict[int, str]]:
        """Form -> row -> its answer; without the rows that it did not answer."""
        return {
            name: dict(zip(one.rows, one.measurement.answers, strict=True))
            for name, one in self.measured.items()
        }

    def calibrate(self, validation: EvaluationSet) -> None:
        """Add to each form's metrics how good its labels' probabilities are."""
        for name, metrics in self.forms.items():
            rows, measurement = self.measured[name].rows, self.measured[name].measurement
            groups = [self.groups[row] for row in rows]
            dataset = self.dataset.take(rows)
            metrics.calibration = calibrate(measurement, dataset, validation, groups)

    def estimate(self, baselines: Mapping[str, BaselineAnswers]) -> None:
        """Add to each form's metrics what the release thresholds judge."""
        estimates = FormEstimates(self.dataset, self.measured, self.groups, baselines)
        for name, metrics in self.forms.items():
            metrics.estimates = estimates.of(name)


def compare_forms(
    candidates: Sequence[Candidate],
    dataset: EvaluationSet,
    emit: Emit,
    folder: Path,
    log: Path,
    *,
    all_rows: bool = True,
    validation: EvaluationSet | None = None,
) -> Comparison:
    """Measure the candidates one after the other, each in a process of its own.

    Args:
        candidates: the forms; the first is what the others are compared with.
        dataset: the rows to measure on.
        emit: takes progress events.
        folder: gets what was measured of each form, and the first one's logits. What an earlier run
            of the same candidates and rows left there is not measured again.
        log: takes what the libraries print.
        all_rows: whether all rows are measured, however long that takes; else as many of them,
            spread evenly, as the first form answers in `SECONDS`.
        validation: rows on which the labels' probabilities are calibrated, at random.

    Raises:
        ScaffoldError: a form cannot be opened, or its process died.
    """
    folder.mkdir(parents=True, exist_ok=True)
    logits = folder / "logits.npy"
    forms: dict[str, FormMetrics] = {}

    def measured(candidate: Candidate, rows: Sequence[int] = ()) -> Measurement:
        """Measure a form; on some rows, by their numbers, or on all."""
        name = f"{candidate.form}-{len(rows)}" if rows else candidate.form
        saved = folder / f"{name}.json"
        if saved.is_file():
            emit(Note("evaluate", f"{candidate.form} was measured by an earlier run"))
            return Measurement(**read_json(saved))
        before = len(forms)

        def emit_overall(event: Event) -> None:
            assert isinstance(event, Step)
            step, of = event.step + event.of * before, event.of * len(candidates)
            emit(replace(event, step=step, of=of))

        measurement = measure_in_subprocess(
            candidate,
            dataset.take(rows) if rows else dataset,
            emit_overall,
            log,
            reference=reference.take(rows) if reference and rows else reference,
            save_logits=None if reference else logits,
            seconds=None if reference or all_rows else SECONDS,
            validation=None if rows or candidate.form == "base" else validation,
        )
        write_json(saved, vars(measurement))
        return measurement

    reference: Reference | None = None
    first = measured(candidates[0])
    reference = first.as_reference(logits, dataset.end)
    if len(first.rows) < len(dataset.rows):
        dataset = dataset.take(first.rows)
        rows = f"{len(dataset.rows):,} of {dataset.held_out:,} held-out rows"
        emit(Note("evaluate", f"{rows}: as many as fit into {duration(SECONDS)} a form"))
    own, groups = candidates[0].form, question_groups(dataset.rows)
    forms[own] = compute_metrics(first, dataset, first)
    rows_of = {own: MeasuredRows(range(len(dataset.rows)), first)}
    for candidate in candidates[1:]:
        form, few = candidate.form, few_rows(candidate.form, first)
        measurement = measured(candidate, few)
        if few and form == "base" and not _tells_apart(measurement, few, first, dataset, groups):
            few, measurement = [], measured(candidate)
        alike = form == "merged" and few and is_alike(measurement, first, few)
        if form == "merged" and few and not alike and not measurement.broken:
            few, measurement = [], measured(candidate)
        if alike:
            whole = as_adapter(measurement, first, few)
            metrics = compute_metrics(whole, dataset, first)
            metrics.alike_rows = len(few)
            rows_of[form] = MeasuredRows(range(len(dataset.rows)), whole)
        else:
            numbers = [few[row] for row in measurement.rows] if few else measurement.rows
            metrics = compute_metrics(measurement, dataset.take(numbers), first.take(numbers))
            metrics.rows = len(numbers) if len(numbers) < len(dataset.rows) else None
            metrics.broken = measurement.broken or None
            rows_of[form] = MeasuredRows(numbers, measurement)
        forms[form] = metrics
    return Comparison(dataset, forms, rows_of, groups)


def _tells_apart(
    base: Measurement,
    rows: Sequence[int],
    adapter: Measurement,
    dataset: EvaluationSet,
    groups: Sequence[int],
) -> bool:
    """Return whether the rows that the base was measured on are enough."""
    both = {
        "base": MeasuredRows(rows, base),
        "adapter": MeasuredRows(range(len(dataset.rows)), adapter),
    }
    return tells_apart(FormEstimates(dataset, both, groups, {}, EARLY).over_base("adapter"))
