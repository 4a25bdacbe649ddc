"""Probabilities of labels on the command line: --abstain-below, and how they are said."""

from __future__ import annotations

import argparse
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from phi3scaffold.cli.form_options import settings_of
from phi3scaffold.project.errors import ScaffoldError

if TYPE_CHECKING:
    from phi3scaffold.inference.answer_record import AnswerRecord
    from phi3scaffold.inference.answer_settings import AnswerSettings
    from phi3scaffold.inference.forms.form import Form

AUTO = "auto"


def settings_with_threshold(args: argparse.Namespace, form: Form) -> AnswerSettings:
    """Return the settings of the options, with the probability below which a label is left out."""
    settings = settings_of(args)
    least = args.abstain_below
    if least is None:
        return settings
    if form.calibration is None:
        raise ScaffoldError(
            "--abstain-below needs the probabilities of labels, and this form has none.",
            fix="run: phi3scaffold evaluate (for labels, with validation rows); or leave it out",
        )
    if not settings.has_probabilities:
        raise ScaffoldError(
            "--abstain-below needs answers as they were evaluated.",
            fix="leave out --temperature, --top-p, --stop and --system",
        )
    if least == AUTO:
        least = form.calibration.threshold
    if least is None:
        raise ScaffoldError(
            "The evaluation proposes no value for --abstain-below.",
            fix="name one, such as --abstain-below 0.8",
        )
    return replace(settings, abstain_below=least)


def probability(text: str) -> float | str:
    """Parse a probability, or ``auto``."""
    if text == AUTO:
        return text
    with contextlib.suppress(ValueError):
        if 0 <= float(text) <= 1:
            return float(text)
    raise ScaffoldError(f"It must be a number from 0 to 1, or auto, not {text!r:.40}.")


def in_words(record: AnswerRecord) -> str:
    """Return what a label's probability is."""
    own = record.probability
    words = "no label" if own is None else f"probability {own:.1%}"
    if record.runner_up_probability is not None:
        words += f"; next: {record.runner_up} {record.runner_up_probability:.1%}"
    return words
