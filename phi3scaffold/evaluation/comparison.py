"""Measure every form on the same rows, and compare each with the first one: the adapter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from phi3scaffold.evaluation.evaluation_set import EvaluationSet
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
        answers: form -> its answers, a text a row.
    """

    dataset: EvaluationSet
    forms: dict[str, FormMetrics]
    answers: dict[str, list[str]]


def compare_forms(
    candidates: Sequence[Candidate],
    dataset: EvaluationSet,
    emit: Emit,
    folder: Path,
    log: Path,
    *,
    all_rows: bool = True,
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

    Raises:
        ScaffoldError: a form cannot be opened, or its process died.
    """
    folder.mkdir(parents=True, exist_ok=True)
    first: Measurement | None = None
    reference: Reference | None = None
    forms: dict[str, FormMetrics] = {}
    answers: dict[str, list[str]] = {}
    logits = folder / "logits.npy"
    for number, candidate in enumerate(candidates):

        def emit_overall(event: Event, number: int = number) -> None:
            assert isinstance(event, Step)
            step, of = event.step + event.of * number, event.of * len(candidates)
            emit(replace(event, step=step, of=of))

        saved = folder / f"{candidate.form}.json"
        if saved.is_file():
            measurement = Measurement(**read_json(saved))
            emit(Note("evaluate", f"{candidate.form} was measured by an earlier run"))
        else:
            measurement = measure_in_subprocess(
                candidate,
                dataset,
                emit_overall,
                log,
                reference=reference,
                save_logits=None if first else logits,
                seconds=None if first or all_rows else SECONDS,
            )
            write_json(saved, vars(measurement))
        if first is None:
            first, reference = measurement, measurement.as_reference(logits, dataset.end)
            if len(first.rows) < len(dataset.rows):
                dataset = dataset.take(first.rows)
                rows = f"{len(dataset.rows):,} of {dataset.held_out:,} held-out rows"
                emit(Note("evaluate", f"{rows}: as many as fit into {duration(SECONDS)} a form"))
        forms[candidate.form] = compute_metrics(measurement, dataset, first)
        answers[candidate.form] = measurement.answers
    return Comparison(dataset, forms, answers)
