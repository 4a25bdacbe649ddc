"""Rows that are enough, and when they are not."""

from __future__ import annotations

import itertools
from dataclasses import replace

from phi3scaffold.evaluation.few_rows import FEW, as_adapter, few_rows, is_alike, tells_apart
from phi3scaffold.evaluation.measurement import Measurement
from phi3scaffold.evaluation.metrics import FormMetrics

ROWS = 200


def adapter(leads: list[float] | None = None) -> Measurement:
    return Measurement(
        rows=list(range(ROWS)),
        answers=["a"] * ROWS,
        answer_ids=[[5]] * ROWS,
        ended=[True] * ROWS,
        prompts=[[1, 2]] * ROWS,
        log_likelihood=[-0.5] * ROWS,
        likeliest=[0] * ROWS,
        agreed=[0] * ROWS,
        agreed_of=[0] * ROWS,
        kl=None,
        max_logit_difference=None,
        compared=0,
        first_token_seconds=0.1,
        tokens_per_second=10.0,
        logit_starts=[[row, 2 * row] for row in range(150)],
        leads=leads or [float(1 + row % 50) for row in range(ROWS)],
    )


def merged(difference: float, **values: object) -> tuple[Measurement, list[int]]:
    rows = few_rows("merged", adapter())
    two = [2] * len(rows)
    same = {"max_logit_difference": difference, "tokens_per_second": 20.0}
    own = {**same, "agreed": two, "agreed_of": two, **values}
    return replace(adapter().take(rows), **own), rows  # type: ignore[arg-type]


def test_the_base_begins_with_rows_spread_over_all() -> None:
    rows = few_rows("base", adapter())
    assert len(rows) == FEW["base"] and rows == sorted(set(rows))
    gaps = [b - a for a, b in itertools.pairwise(rows)]
    assert rows[0] == 0 and rows[-1] > ROWS - 8 and max(gaps) <= 4


def test_the_merged_model_begins_with_the_least_certain_rows() -> None:
    """Of those whose logits are known: no other row is less certain than the last of them."""
    rows = few_rows("merged", adapter())
    assert len(rows) == FEW["merged"] and max(rows) < 150
    leads = adapter().leads
    assert max(leads[row] for row in rows) <= min(leads[row] for row in set(range(150)) - set(rows))


def test_all_rows_are_measured_where_few_save_nothing_or_show_nothing() -> None:
    assert few_rows("onnx", adapter()) == []
    assert few_rows("base", adapter().take(range(2 * FEW["base"] - 1))) == []
    unknown = [0.0 if row > 100 else 3.0 for row in range(ROWS)]  # answers that were generated
    assert few_rows("merged", adapter(unknown)) == []


def test_logits_that_could_change_no_other_row_are_alike() -> None:
    rows = few_rows("merged", adapter())
    least = min(adapter().leads[row] for row in set(range(ROWS)) - set(rows))
    for difference, alike in ((0.49 * least, True), (0.51 * least, False)):
        own, rows = merged(difference)
        assert is_alike(own, adapter(), rows) == alike
    own, _ = merged(0.0, answer_ids=[[6]] * len(rows))
    assert not is_alike(own, adapter(), rows)
    own, rows = merged(0.0, agreed=[1] * len(rows))
    assert not is_alike(own, adapter(), rows)


def test_the_answers_are_then_the_adapters_and_the_speed_its_own() -> None:
    own, _ = merged(0.01)
    whole = as_adapter(own, adapter())
    assert whole.answers == adapter().answers and whole.log_likelihood == adapter().log_likelihood
    assert whole.tokens_per_second == 20.0 and whole.max_logit_difference == 0.01
    assert sum(whole.agreed) == sum(whole.agreed_of) == 2 * ROWS


def test_the_base_is_told_apart_by_its_interval_and_its_perplexity() -> None:
    trained = FormMetrics(perplexity=1.1, accuracy=0.95, accuracy_interval=[0.92, 0.97])
    bad = FormMetrics(perplexity=40.0, accuracy=0.2, accuracy_interval=[0.12, 0.31])
    assert tells_apart(bad, trained)
    assert not tells_apart(replace(bad, accuracy=0.9, accuracy_interval=[0.8, 0.95]), trained)
    assert not tells_apart(replace(bad, perplexity=1.2), trained)
