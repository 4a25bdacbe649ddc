"""Every form the same questions, each compared with the first one: the adapter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from phi3scaffold.evaluation.form_metrics import rung
from phi3scaffold.evaluation.measurement import Measured, Reference, Subject
from phi3scaffold.evaluation.questions import Questions
from phi3scaffold.evaluation.subprocess_measurement import measure_alone
from phi3scaffold.pipeline.events import Emit, Event, Step


def climb(
    subjects: Sequence[Subject], asked: Questions, emit: Emit, scratch: Path, log: Path
) -> tuple[dict[str, dict[str, Any]], dict[str, list[str]]]:
    """Measure the subjects one after the other, each in a process of its own.

    Args:
        subjects: the forms; the first is what the others are compared with.
        asked: the questions.
        emit: takes progress events.
        scratch: a folder for the first one's logits.
        log: takes what the libraries say.

    Returns:
        form -> its numbers (see `rung`), and form -> its answers, a text a row.

    Raises:
        ScaffoldError: a form cannot be opened, or its process died.
    """
    first: Measured | None = None
    reference: Reference | None = None
    rungs: dict[str, dict[str, Any]] = {}
    answers: dict[str, list[str]] = {}
    logits = scratch / "logits.npy"
    for number, subject in enumerate(subjects):

        def among_all(event: Event, number: int = number) -> None:
            assert isinstance(event, Step)
            step, of = event.step + event.of * number, event.of * len(subjects)
            emit(replace(event, step=step, of=of))

        saved = None if first else logits
        made = measure_alone(subject, asked, among_all, log, reference=reference, save_logits=saved)
        if first is None:
            first, reference = made, made.as_reference(logits, asked.end)
        rungs[subject.form] = rung(made, asked, first)
        answers[subject.form] = made.answers
    return rungs, answers
