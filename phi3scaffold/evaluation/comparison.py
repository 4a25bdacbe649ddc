"""Measure every form on the same rows, and compare each with the first one: the adapter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from phi3scaffold.datasets.question_groups import question_groups
from phi3scaffold.evaluation.baselines import BaselineAnswers
from phi3scaffold.evaluation.calibration_metrics import calibrate
from phi3scaffold.evaluation.evaluation_set import EvaluationSet
from phi3scaffold.evaluation.form_estimates import FormEstimates, MeasuredRows
from phi3scaffold.evaluation.form_metrics import compute_metrics
from phi3scaffold.evaluation.look_measurement import FormRows, LookMeasurement
from phi3scaffold.evaluation.looks import MOST_LOOKS, Looks, confidence, look_order
from phi3scaffold.evaluation.measurement import Candidate
from phi3scaffold.evaluation.metrics import FormMetrics
from phi3scaffold.pipeline.events import Emit, Note


@dataclass
class Comparison:
    """What came of measuring forms.

    Attributes:
        dataset: the rows that they were measured on.
        forms: form -> its metrics.
        measured: form -> what was measured of it, and on which rows.
        groups: of each row its question; near duplicates have the same.
        looks: the rows by the end of each look that was planned; one where all were asked at once.
        look: the last look that was taken, from 1 on.
    """

    dataset: EvaluationSet
    forms: dict[str, FormMetrics]
    measured: dict[str, MeasuredRows]
    groups: list[int]
    looks: Looks = ()
    look: int = 1

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
        """Add to each form's metrics what the release thresholds judge, as sure as this look is."""
        sure = confidence(self.looks, self.look)
        estimates = FormEstimates(self.dataset, self.measured, self.groups, baselines, sure)
        for name, metrics in self.forms.items():
            metrics.estimates = estimates.of(name)


def compare_forms(
    candidates: Sequence[Candidate],
    dataset: EvaluationSet,
    emit: Emit,
    folder: Path,
    log: Path,
    *,
    seconds: float | None = None,
    is_decided: Callable[[Comparison], bool] | None = None,
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
        seconds: that the first form may take for one look; None: all rows are asked at once.
        is_decided: whether a look at these rows decides; then none follows. None: there is one
            look, at as many rows as its time allows.
        validation: rows on which the labels' probabilities are calibrated, at random.

    Raises:
        ScaffoldError: a form cannot be opened, or its process died.
    """
    folder.mkdir(parents=True, exist_ok=True)
    measuring = LookMeasurement(
        *(candidates, dataset, emit, folder, log),
        seconds=seconds,
        most_looks=MOST_LOOKS if is_decided else 1,
        validation=validation,
    )
    first = measuring.measure_first()
    looks = tuple(first.looks) or (len(first.rows),)
    if len(looks) > 1:
        emit(Note("evaluate", f"{len(looks)} looks at the held-out rows: after {_listed(looks)}"))
    elif len(first.rows) < len(dataset.rows):
        of = f"{len(first.rows):,} of {dataset.held_out:,} held-out rows"
        emit(Note("evaluate", f"{of}: as many as fit into evaluate.minutes"))
    order, rows = look_order(len(dataset.rows), first.pilot), list(first.rows)
    forms: dict[str, FormRows] = {}
    for look, end in enumerate(looks, 1):
        if look > 1:
            emit(Note("evaluate", f"{len(rows):,} rows do not decide: look {look} of {len(looks)}"))
            rows = sorted(order[looks[look - 2] : end])
            measuring = LookMeasurement(candidates, dataset.take(rows), emit, folder, log, look)
            first = measuring.measure_first()
        enough = {form for form, one in forms.items() if one.is_enough}
        for form, one in measuring.measure_others(first, enough).items():
            one.rows = [rows[row] for row in one.rows]
            forms[form] = forms[form].joined(one) if form in forms else one
        comparison = _comparison(dataset, forms, candidates[0].form, looks, look)
        if look == len(looks) or (is_decided and is_decided(comparison)):
            break
    return comparison


def _comparison(
    dataset: EvaluationSet, forms: Mapping[str, FormRows], own: str, looks: Looks, look: int
) -> Comparison:
    """Return what all looks so far have measured, over the rows that were asked."""
    asked = forms[own].rows
    places = {row: place for place, row in enumerate(asked)}
    dataset, adapter = dataset.take(asked), forms[own].measurement
    metrics, measured = {}, {}
    for form, one in forms.items():
        rows = [places[row] for row in one.rows]
        found = compute_metrics(one.measurement, dataset.take(rows), adapter.take(rows))
        found.rows = len(rows) if len(rows) < len(asked) else None
        found.broken = one.measurement.broken or None
        found.alike_rows = one.alike_rows
        metrics[form], measured[form] = found, MeasuredRows(rows, one.measurement)
    return Comparison(dataset, metrics, measured, question_groups(dataset.rows), looks, look)


def _listed(looks: Looks) -> str:
    return ", ".join(f"{rows:,}" for rows in looks)
