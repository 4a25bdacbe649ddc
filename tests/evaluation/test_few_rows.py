"""Rows that are enough, and when they are not."""

from __future__ import annotations

import itertools
from dataclasses import replace

from phi3scaffold.evaluation.estimate import Estimate
from phi3scaffold.evaluation.few_rows import FEW, as_adapter, few_rows, is_alike, tells_apart
from phi3scaffold.evaluation.measurement import Measurement

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
        kl_sums=[],
        kl_of=[],
        leads=leads or [float(1 + row % 50) for row in range(ROWS)],
    )


def merged(difference: float, **values: object) -> tuple[Measurement, list[int]]:
    rows = few_rows("merged", adapter())
    two = [2] * len(rows)
    same = {"max_logit_difference": difference, "tokens_per_second": 20.0}
    own = {**same, "agreed": two, "agreed_of": two, "kl_sums": [0.5] * len(rows), "kl_of": two}
    own |= values
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
    own, rows = merged(0.01)
    whole = as_adapter(own, adapter(), rows)
    assert whole.answers == adapter().answers and whole.log_likelihood == adapter().log_likelihood
    assert whole.tokens_per_second == 20.0 and whole.max_logit_difference == 0.01
    assert sum(whole.agreed) == sum(whole.agreed_of) == 2 * ROWS
    assert [row for row, of in enumerate(whole.kl_of) if of] == rows
    assert sum(whole.kl_sums) == 0.5 * len(rows)


def test_the_base_is_told_apart_by_an_interval_that_is_clear_of_one() -> None:
    def told(low: float, high: float, **better: Estimate) -> bool:
        return tells_apart({"over_base": Estimate((low + high) / 2, low, high, 64), **better})

    assert told(0.1, 0.7) and told(1.5, 2.0)
    assert not told(0.5, 0.9) and not told(0.9, 1.1)
    assert told(0.1, 0.7, over_base_answers=Estimate(0.3, 0.1, 0.5, 64))
    assert not told(0.1, 0.7, over_base_answers=Estimate(0.1, -0.1, 0.3, 64))
