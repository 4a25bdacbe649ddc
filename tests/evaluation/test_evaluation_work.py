"""What the evaluation is planned to compute."""

from __future__ import annotations

import pytest

from phi3scaffold.datasets.token_counts import TokenCounts, TokenRow
from phi3scaffold.evaluation.evaluation_work import evaluation_work

SAMPLE = tuple(TokenRow(tuple(range(number, number + 40)), 2) for number in range(0, 3200, 100))
FORMS = ["base", "adapter", "merged", "onnx"]


def work(validation: int, *, has_labels: bool):
    counts = TokenCounts(400, validation, 128, SAMPLE, is_exact=True)
    return evaluation_work(counts, FORMS, None, None, has_labels=has_labels)


def test_labels_are_scored_on_validation_rows_too() -> None:
    """50 rows of each form but the base: adapter, merged and onnx."""
    without, with_labels = work(0, has_labels=True), work(50, has_labels=True)
    assert round(with_labels.tokens - without.tokens) == 3 * 50 * 40
    assert with_labels.read.tokens > without.read.tokens
    assert work(50, has_labels=False) == work(0, has_labels=False)


def test_free_answers_are_generated_by_every_form_and_labels_by_the_base() -> None:
    """As far as the longest answer and more: a batch goes on until its last one ends."""
    free, labels = work(0, has_labels=False), work(0, has_labels=True)
    rows = 64 + 128 + 32 + 128  # base, adapter, merged, onnx
    steps = 2 + 16
    assert free.read.tokens - labels.read.tokens == (rows - 64) * steps
    assert free.read.number - labels.read.number == pytest.approx((rows - 64) / 32 * steps)


def test_measuring_the_speed_takes_as_long_on_any_machine() -> None:
    assert work(0, has_labels=True).fixed == len(FORMS) * 0.75 * 2.0
