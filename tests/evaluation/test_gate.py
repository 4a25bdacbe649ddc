"""The gate: each limit is looked at on its rungs, and is broken where it was lost first."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from phi3scaffold.evaluation import gate
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError
from phi3scaffold.project.limits import LIMITS, read_limits, show


def rung(accuracy: float = 0.9, **other: Any) -> dict[str, Any]:
    return {
        "accuracy": accuracy,
        "perplexity": 1.1,
        "agreement": 0.99,
        "unfinished": 0.0,
        "tokens_per_second": 100.0,
        "disk_bytes": 5e6,
        **other,
    }


@pytest.fixture
def metrics() -> dict[str, Any]:
    """A good model."""
    return {
        "rows": 400,
        "forms": {
            "base": rung(0.1, perplexity=50.0, agreement=0.2, unfinished=0.5),
            "adapter": rung(),
            "merged": rung(),
            "onnx": rung(0.895),
        },
        "baselines": {"majority": {"accuracy": 0.25}, "tfidf": {"accuracy": 0.5}},
        "not_measured": {},
    }


def checks(metrics: dict[str, Any], **limits: float | None) -> dict[str, gate.Check]:
    return {found.key: found for found in gate.check(metrics, limits)}


def test_a_good_model_keeps_every_limit(metrics: dict[str, Any]) -> None:
    found = checks(metrics)
    assert {check.verdict for check in found.values()} == {gate.KEPT}
    assert set(found) == {k for k, limit in LIMITS.items() if limit.default is not None} | {
        "over_tfidf"
    }
    assert gate.verdict(list(found.values())) is None


@pytest.mark.parametrize(
    ("form", "change", "key"),
    [
        ("adapter", {"perplexity": 60.0}, "over_base"),
        ("adapter", {"accuracy": 0.27}, "over_majority"),
        ("adapter", {"unfinished": 0.3}, "unfinished"),
        ("merged", {"accuracy": 0.8}, "accuracy_lost"),
        ("merged", {"unfinished": 1.0}, "unfinished"),
        ("merged", {"agreement": 0.5}, "agreement"),
        ("onnx", {"accuracy": 0.8}, "accuracy_lost"),
        ("onnx", {"perplexity": 2.0}, "perplexity_ratio"),
        ("onnx", {"agreement": 0.8}, "agreement"),
        ("onnx", {"unfinished": 0.1}, "unfinished"),
    ],
)
def test_the_rung_that_lost_it_is_named(
    form: str, change: dict[str, float], key: str, metrics: dict[str, Any]
) -> None:
    """Those behind inherit the fault; it is the first that has it."""
    order = ["adapter", "merged", "onnx"]
    for name in order[order.index(form) :]:
        metrics["forms"][name].update(change)
    broken = [check for check in gate.check(metrics, {}) if check.verdict == gate.BROKEN]
    assert [(check.key, check.rung) for check in broken] == [(key, form)]
    error = gate.verdict(broken)
    assert error is not None and error.exit_code == FAILED_RUN
    assert f"at the {form} form" in error.what and key in error.what
    assert "not released" in error.what
    assert gate.TRY[form] in str(error.fix)
    assert ("eos_token_id" in str(error.fix)) == (key == "unfinished")


@pytest.mark.parametrize(("key", "limit"), [("tokens_per_second", 200.0), ("size_mb", 4.0)])
def test_speed_and_size_are_looked_at_only_where_asked(
    key: str, limit: float, metrics: dict[str, Any]
) -> None:
    assert key not in checks(metrics)
    assert checks(metrics, **{key: limit})[key].verdict == gate.BROKEN
    error = gate.verdict(gate.check(metrics, {key: limit}))
    assert error is not None and "fast" in str(error.fix)


def test_null_switches_a_limit_off(metrics: dict[str, Any]) -> None:
    metrics["forms"]["onnx"]["agreement"] = 0.1
    assert "agreement" not in checks(metrics, agreement=None)


def test_under_the_linear_baseline_is_a_warning(metrics: dict[str, Any]) -> None:
    metrics["baselines"]["tfidf"]["accuracy"] = 0.95
    found = checks(metrics)
    assert found["over_tfidf"].verdict == gate.WARNING
    assert gate.verdict(list(found.values())) is None


def test_one_row_of_a_small_split_decides_nothing(metrics: dict[str, Any]) -> None:
    """Of 12 rows one is 8 points: more than the limit, and still only one row."""
    metrics["rows"] = 12
    metrics["forms"]["onnx"]["accuracy"] = 0.9 - 1 / 12
    found = checks(metrics)["accuracy_lost"]
    assert found.verdict == gate.UNKNOWN and "12 rows" in found.why
    metrics["forms"]["onnx"]["accuracy"] = 0.9 - 2 / 12
    assert checks(metrics)["accuracy_lost"].verdict == gate.BROKEN


def test_what_was_not_measured_is_not_kept(metrics: dict[str, Any]) -> None:
    del metrics["forms"]["onnx"]
    metrics["not_measured"] = {"onnx": "built for DML, which is not here"}
    found = checks(metrics)
    assert found["accuracy_lost"].verdict == gate.UNKNOWN
    assert found["over_base"].verdict == gate.KEPT
    metrics["forms"]["merged"]["accuracy"] = 0.1  # what is lost before it is lost all the same
    assert checks(metrics)["accuracy_lost"].rung == "merged"


def test_free_answers_are_judged_by_rouge(metrics: dict[str, Any]) -> None:
    free = copy.deepcopy(metrics)
    free["baselines"] = {}
    for form in free["forms"].values():
        del form["accuracy"]
        form.update(exact_match=0.1, rouge_l=0.6)
    assert {found.verdict for found in gate.check(free, {})} == {gate.KEPT}
    assert "over_majority" not in checks(free)
    free["forms"]["onnx"]["rouge_l"] = 0.5
    assert checks(free)["accuracy_lost"].rung == "onnx"
    assert checks(free)["accuracy_lost"].verdict == gate.BROKEN


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"acuracy_lost": 0.1}, "no limit 'acuracy_lost'"),
        ({"agreement": "high"}, "must be a number"),
        ({"agreement": True}, "must be a number"),
        ([0.1], "must be a mapping"),
    ],
)
def test_a_wrong_limit_is_a_message(given: Any, message: str) -> None:
    with pytest.raises(ScaffoldError, match=message) as caught:
        read_limits(given, "project.yaml: gate")
    assert "project.yaml: gate" in str(caught.value.where)


def test_values_are_shown_in_their_unit() -> None:
    shown = {unit: show(0.02, unit) for unit in ("points", "share", "ratio", "MB")}
    assert shown == {"points": "2.0 points", "share": "2.0%", "ratio": "0.020", "MB": "0.02 MB"}
    odd = [(-0.0001, "points"), (0.0002, "ratio"), (2172.4, "tokens/s"), (5.794, "MB")]
    assert [show(*one) for one in odd] == ["0.0 points", "<0.001", "2,172 tokens/s", "5.79 MB"]
