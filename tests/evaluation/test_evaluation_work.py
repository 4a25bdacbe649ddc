"""What the evaluation is planned to compute."""

from __future__ import annotations

from phi3scaffold.datasets.token_counts import TokenCounts, TokenRow
from phi3scaffold.evaluation.evaluation_work import evaluation_work

SAMPLE = tuple(TokenRow(tuple(range(number, number + 40)), 2) for number in range(0, 3200, 100))
FORMS = ["base", "adapter", "merged", "onnx"]


def work(validation: int, *, has_labels: bool):
    counts = TokenCounts(400, validation, 128, SAMPLE, is_exact=True)
    return evaluation_work(counts, FORMS, None, None, has_labels=has_labels)


def test_labels_are_scored_on_validation_rows_too() -> None:
    """50 rows of each form but the base: adapter, merged and onnx."""
    without, with_labels = work(50, has_labels=False), work(50, has_labels=True)
    assert round(with_labels.tokens - without.tokens) == 3 * 50 * 40
    assert with_labels.read.tokens > without.read.tokens
    assert work(0, has_labels=True) == work(0, has_labels=False) == without
