"""Measure every form on the same rows, and compare each with the first one: the adapter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from phi3scaffold.evaluation.evaluation_set import EvaluationSet
from phi3scaffold.evaluation.form_metrics import compute_metrics
from phi3scaffold.evaluation.measurement import Candidate, Measurement, Reference
from phi3scaffold.evaluation.metrics import FormMetrics
from phi3scaffold.evaluation.subprocess_measurement import measure_in_subprocess
from phi3scaffold.pipeline.events import Emit, Event, Step


def compare_forms(
    candidates: Sequence[Candidate], dataset: EvaluationSet, emit: Emit, scratch: Path, log: Path
) -> tuple[dict[str, FormMetrics], dict[str, list[str]]]:
    """Measure the candidates one after the other, each in a process of its own.

    Args:
        candidates: the forms; the first is what the others are compared with.
        dataset: the rows to measure on.
        emit: takes progress events.
        scratch: a folder for the first one's logits.
        log: takes what the libraries print.

    Returns:
        form -> its metrics, and form -> its answers, a text a row.

    Raises:
        ScaffoldError: a form cannot be opened, or its process died.
    """
    first: Measurement | None = None
    reference: Reference | None = None
    metrics: dict[str, FormMetrics] = {}
    answers: dict[str, list[str]] = {}
    logits = scratch / "logits.npy"
    for number, candidate in enumerate(candidates):

        def emit_overall(event: Event, number: int = number) -> None:
            assert isinstance(event, Step)
            step, of = event.step + event.of * number, event.of * len(candidates)
            emit(replace(event, step=step, of=of))

        measurement = measure_in_subprocess(
            candidate,
            dataset,
            emit_overall,
            log,
            reference=reference,
            save_logits=None if first else logits,
        )
        if first is None:
            first, reference = measurement, measurement.as_reference(logits, dataset.end)
        metrics[candidate.form] = compute_metrics(measurement, dataset, first)
        answers[candidate.form] = measurement.answers
    return metrics, answers
