"""Planned looks: how many rows each has, and how sure its intervals are."""

from __future__ import annotations

from typing import Any

import pytest
from scipy.stats import norm

from phi3scaffold.evaluation.estimate import ONE_SIDED, Estimate
from phi3scaffold.evaluation.gate import check_limits, is_decided
from phi3scaffold.evaluation.look_measurement import FormRows
from phi3scaffold.evaluation.looks import bounds, confidence, level, look_order, plan_looks
from phi3scaffold.evaluation.measurement import Measurement
from phi3scaffold.evaluation.metrics import FormMetrics, Metrics
from phi3scaffold.evaluation.release import Release, level_text, looks_remark
from phi3scaffold.evaluation.row_chunks import RowChunks

FOUR = (250, 500, 750, 1000)


@pytest.mark.parametrize(
    ("looks", "published"),
    [
        (FOUR, [4.3326, 2.9631, 2.3590, 2.0141]),  # Lan and DeMets
        ((1, 2, 3, 4, 5), [4.8769, 3.3569, 2.6803, 2.2898, 2.0310]),
        ((50, 100), [2.9626, 1.9686]),
    ],
)
def test_the_bounds_are_those_of_the_literature(
    looks: tuple[int, ...], published: list[float]
) -> None:
    """O'Brien and Fleming's kind, two-sided 5 %."""
    assert bounds(looks, ONE_SIDED) == pytest.approx(published, abs=2e-4)


def test_one_look_needs_95_percent() -> None:
    assert confidence((229,), 1) == 0.95 and level((), 1, 0.01) == 0.01


def test_a_smaller_share_of_the_chance_needs_a_farther_bound() -> None:
    """Of several claims, by Holm."""
    for look in (1, 2, 3, 4):
        assert level(FOUR, look, 0.0025) < level(FOUR, look, 0.025) / 3
        assert level(FOUR, look, 0.025) == pytest.approx(norm.sf(bounds(FOUR, 0.025)[look - 1]))


def test_looks_are_planned_by_time_alone() -> None:
    assert plan_looks(1000, 40, 2000) == (1000,)  # all fit
    assert plan_looks(1000, 40, 600) == (500, 1000)
    assert plan_looks(1000, 40, 260) == (250, 500, 750, 1000)
    assert plan_looks(1000, 8, 20) == (20, 40, 60, 80)  # four are the most
    assert plan_looks(1000, 8, 1) == (8, 16, 24, 32)
    assert plan_looks(30, 8, 8) == (8, 15, 22, 30)


def test_the_time_of_one_look_is_used_whole() -> None:
    assert plan_looks(1000, 40, 600, 1) == (600,) and plan_looks(1000, 8, 1, 1) == (8,)


def test_the_order_is_random_behind_the_first_rows_and_always_the_same() -> None:
    order = look_order(1000, 8)
    assert sorted(order) == [*range(1000)] and order == look_order(1000, 8)
    assert order[:8] == [0, 512, 256, 768, 128, 640, 384, 896]
    assert 400 < sum(order[8:250]) / 242 < 600


@pytest.mark.parametrize(
    ("pace", "looks"), [(0.001, [1000]), (1.0, [500, 1000]), (9.0, [66, 132, 198, 264])]
)
def test_the_plan_comes_from_the_time_of_the_first_rows(
    pace: float, looks: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pace is in seconds a row; a form may take ten minutes."""
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    chunks, rows = RowChunks(1000, 600.0, 4), list[int]()
    for chunk in chunks.rows([]):
        clock[0] += pace * len(chunk)
        rows += chunk
    assert chunks.looks == looks
    assert rows == look_order(1000, chunks.pilot if len(looks) > 1 else 1000)[: looks[0]]
    assert clock[0] <= 600


def test_the_rows_of_two_looks_are_joined_in_order() -> None:
    """Also of a merged model that was taken for the adapter in one of them only."""
    both = FormRows([1, 4], measured([1, 4], leads=[0.5, 0.5]), alike_rows=2).joined(
        FormRows([0, 2], measured([0, 2]))
    )
    its = both.measurement
    assert (both.rows, its.answers, both.alike_rows) == ([0, 1, 2, 4], ["0", "1", "2", "4"], None)
    assert its.label_scores == [[0.0], [1.0], [2.0], [4.0]] and its.validation_scores == [[7.0]]
    assert its.kl == pytest.approx(7 / 4) and its.leads == []
    assert its.tokens_per_second == 1.5


def measured(rows: list[int], **named: Any) -> Measurement:
    zeros, values = [0] * len(rows), [float(row) for row in rows]
    return Measurement(
        rows=[*range(len(rows))], answers=[str(row) for row in rows],
        answer_ids=[[row] for row in rows], ended=[True] * len(rows), prompts=[[1]] * len(rows),
        log_likelihood=values, likeliest=zeros, agreed=zeros, agreed_of=zeros, kl=0.0,
        max_logit_difference=None, compared=1, first_token_seconds=1.0,
        tokens_per_second=1.0, rate_samples=[1.0, 2.0], kl_sums=values, kl_of=[1] * len(rows),
        label_scores=[[value] for value in values], validation_scores=[[7.0]], **named,
    )  # fmt: skip


def metrics(look: int, high: float) -> Metrics:
    sure = confidence(FOUR, look)
    lost = Estimate(0.0, -high, high, FOUR[look - 1], sure)
    forms = {"merged": FormMetrics(1.0, estimates={"accuracy_lost": lost})}
    return Metrics("classify", "tiny", FOUR[look - 1], 1000, labels=["a", "b"], forms=forms,
                   looks=[*FOUR], look=look)  # fmt: skip


def test_more_rows_are_asked_until_the_verdict_is_decided() -> None:
    limits = {"accuracy_lost": 0.02}
    assert is_decided(check_limits(metrics(2, 0.01), limits))
    assert not is_decided(check_limits(metrics(2, 0.03), limits))


def test_an_early_failure_has_to_be_clear() -> None:
    """Twice the usual error beyond the limit is one at the last look, and none at the first."""
    early, late = metrics(1, 0.0), metrics(4, 0.0)
    for one in (early, late):
        sure = confidence(FOUR, one.look)
        half = norm.ppf((1 + sure) / 2) * 0.01
        value = 0.02 + 2.2 * 0.01
        lost = Estimate(value, value - half, value + half, one.rows, sure)
        one.forms["merged"].estimates = {"accuracy_lost": lost}
    assert not is_decided(check_limits(early, {}))
    assert is_decided(check_limits(late, {}))


def test_the_verdict_tells_its_look_and_level() -> None:
    text = looks_remark(metrics(2, 0.01))
    assert text == (
        "Look 2 of 4, planned beforehand (after 250, 500, 750, 1,000 held-out rows): its intervals "
        "have 99.7 %, so that all looks together have 95 %."
    )
    assert [level_text(confidence(FOUR, look)) for look in (1, 3, 4)] == [
        "99.9985 %", "98.2 %", "95.6 %"
    ]  # fmt: skip
    assert level_text(0.95) == "95 %"
    assert looks_remark(Metrics("qa", "tiny", 1, 1)) == ""
    results = check_limits(metrics(2, 0.03), {})
    assert "99.7 % interval" in results[0].summary
    assert Release(False, checks=results).interval_heading == "99.7 % interval"
    assert Release(False).interval_heading == "95 % interval"
