"""The gate: each limit is checked on its forms, and fails at the first that lost it."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from phi3scaffold.evaluation import gate
from phi3scaffold.evaluation.estimate import FAILED, PASSED, UNKNOWN, Estimate
from phi3scaffold.evaluation.intervals import share_difference
from phi3scaffold.evaluation.limits import LIMITS, format_value, project_limits
from phi3scaffold.evaluation.metrics import Baseline, FormMetrics, Metrics
from phi3scaffold.evaluation.release import LimitResult
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError
from phi3scaffold.project.settings import load_project
from phi3scaffold.stages.graph import STAGES

GOOD = {  # what is judged of a form -> its value, and how far its interval reaches
    "truncated_answers": (0.005, 0.005),
    "over_majority": (0.65, 0.04),
    "over_tfidf": (0.4, 0.04),
    "accuracy_lost": (0.002, 0.01),
    "perplexity_ratio": (1.02, 0.03),
    "agreement": (0.99, 0.005),
    "kl": (0.01, 0.005),
}
FREE = {"over_nearest": (0.3, 0.1), "over_base_answers": (0.4, 0.1), "like_adapter": (0.9, 0.1)}


def estimates(values: dict[str, tuple[float, float]]) -> dict[str, Estimate]:
    return {key: Estimate(one, one - by, one + by, 400) for key, (one, by) in values.items()}


def form(accuracy: float = 0.9, **other: Any) -> FormMetrics:
    values = {
        "accuracy": accuracy,
        "perplexity": 1.1,
        "agreement": 0.99,
        "tokens_per_second": 100.0,
        "disk_bytes": 5e6,
        "first_token_seconds": 0.05,
        "peak_bytes": 500_000_000,
        "estimates": estimates(GOOD),
    }
    return FormMetrics(**{**values, **other})


@pytest.fixture
def metrics() -> Metrics:
    """A good model."""
    return Metrics(
        task="classify",
        model="tiny",
        rows=400,
        held_out=400,
        labels=["a", "b"],
        forms={
            "base": form(0.1, perplexity=50.0, estimates={}),
            "adapter": form(estimates=estimates({**GOOD, "over_base": (0.1, 0.01)})),
            "merged": form(),
            "onnx": form(0.895),
        },
        baselines={"majority": Baseline(0.25), "tfidf": Baseline(0.5)},
    )


def checks(metrics: Metrics, **limits: float | None) -> dict[str, LimitResult]:
    return {result.key: result for result in gate.check_limits(metrics, limits)}


def test_a_good_model_passes_every_limit(metrics: Metrics) -> None:
    found = checks(metrics)
    assert {check.verdict for check in found.values()} == {PASSED}
    wanted = {key for key, limit in LIMITS.items() if limit.default is not None}
    assert set(found) == wanted - set(FREE)
    assert gate.gate_error(list(found.values())) is None


@pytest.mark.parametrize(
    ("form", "change", "key"),
    [
        ("adapter", (1.2, 0.1), "over_base"),
        ("adapter", (0.01, 0.01), "over_majority"),
        ("adapter", (-0.2, 0.1), "over_tfidf"),
        ("adapter", (0.3, 0.05), "truncated_answers"),
        ("merged", (0.1, 0.03), "accuracy_lost"),
        ("merged", (0.9, 0.1), "truncated_answers"),
        ("merged", (0.5, 0.1), "agreement"),
        ("onnx", (0.1, 0.03), "accuracy_lost"),
        ("onnx", (2.0, 0.1), "perplexity_ratio"),
        ("onnx", (0.8, 0.03), "agreement"),
        ("onnx", (0.8, 0.1), "kl"),
        ("onnx", (0.1, 0.03), "truncated_answers"),
    ],
)
def test_the_form_that_lost_it_is_named(
    form: str, change: tuple[float, float], key: str, metrics: Metrics
) -> None:
    """Those behind inherit the fault; it is the first that has it."""
    order = ["adapter", "merged", "onnx"]
    for name in order[order.index(form) :]:
        metrics.forms[name].estimates |= estimates({key: change})
    failed = [check for check in gate.check_limits(metrics, {}) if check.verdict == FAILED]
    assert [(check.key, check.form) for check in failed] == [(key, form)]
    error = gate.gate_error(failed)
    assert error is not None and error.exit_code == FAILED_RUN
    assert f"at the {form} form" in error.what and key in error.what
    assert "not released" in error.what
    assert gate.ADVICE[form] in str(error.fix)
    assert ("eos_token_id" in str(error.fix)) == (key == "truncated_answers")


@pytest.mark.parametrize(
    ("key", "limit"),
    [
        ("tokens_per_second", 200.0),
        ("first_token_ms", 20.0),
        ("size_mb", 4.0),
        ("memory_mb", 100.0),
    ],
)
def test_speed_and_size_are_checked_only_where_a_limit_is_set(
    key: str, limit: float, metrics: Metrics
) -> None:
    assert key not in checks(metrics)
    assert checks(metrics, **{key: limit})[key].verdict == FAILED
    error = gate.gate_error(gate.check_limits(metrics, {key: limit}))
    assert error is not None and "fast" in str(error.fix)


def test_null_switches_a_limit_off(metrics: Metrics) -> None:
    metrics.forms["onnx"].estimates |= estimates({"agreement": (0.1, 0.05)})
    assert "agreement" not in checks(metrics, agreement=None)


def test_what_the_rows_cannot_tell_is_unknown(metrics: Metrics) -> None:
    """With how many would tell it; accuracy may stay unknown, fidelity may not."""
    metrics.forms["onnx"].estimates |= estimates({"accuracy_lost": (0.01, 0.04)})
    results = gate.check_limits(metrics, {})
    found = {result.key: result for result in results}["accuracy_lost"]
    assert (found.verdict, found.form) == (UNKNOWN, "onnx")
    assert found.why == "400 rows cannot tell it; about 6,400 held-out rows would"
    assert gate.is_released(results) and gate.gate_error(results) is None
    required = gate.check_limits(metrics, {}, accuracy_required=True)
    assert not gate.is_released(required)
    error = gate.gate_error(required)
    assert error is not None and error.exit_code == FAILED_RUN
    assert "It is unknown whether the gate passes: accuracy_lost 1.0 points" in error.what
    assert "files.held_out" in str(error.fix)


def test_of_unknown_forms_the_worst_is_named(metrics: Metrics) -> None:
    for name, lost in {"merged": 0.0, "onnx": 0.06}.items():
        metrics.forms[name].estimates |= estimates({"accuracy_lost": (lost, 0.05)})
    assert checks(metrics)["accuracy_lost"].form == "onnx"


@pytest.mark.parametrize(
    ("key", "value"),
    [("agreement", (0.91, 0.03)), ("kl", (0.2, 0.1)), ("perplexity_ratio", (1.2, 0.1))],
)
def test_unknown_fidelity_holds_a_model_back(
    key: str, value: tuple[float, float], metrics: Metrics
) -> None:
    metrics.forms["onnx"].estimates |= estimates({key: value})
    results = gate.check_limits(metrics, {})
    assert {one.key for one in results if one.verdict == UNKNOWN} == {key}
    assert not gate.is_released(results) and gate.gate_error(results) is not None


def test_229_rows_that_lost_two_net_are_released(metrics: Metrics) -> None:
    """A good model on few rows: accuracy is unknown, and its fidelity shows that it is good."""
    onnx = metrics.forms["onnx"]
    lost = share_difference([True] * 229, [True] * 227 + [False] * 2, range(229))
    onnx.estimates |= {"accuracy_lost": lost, **estimates({"perplexity_ratio": (1.026, 0.02)})}
    results = gate.check_limits(metrics, {})
    found = {result.key: result for result in results}["accuracy_lost"]
    assert found.verdict == UNKNOWN and found.range == "-0.8 to 3.1 points"
    assert gate.is_released(results)
    onnx.estimates |= estimates({"agreement": (0.8, 0.02)})
    assert not gate.is_released(gate.check_limits(metrics, {}))


def test_one_of_many_limits_does_not_fail_by_chance(metrics: Metrics) -> None:
    """Outside by a hair: 95 % of one, and of so many lines it is to be expected."""
    metrics.forms["onnx"].estimates |= estimates({"accuracy_lost": (0.06, 0.0395)})
    found = checks(metrics)["accuracy_lost"]
    assert found.verdict == UNKNOWN and "by chance" in found.why
    metrics.forms["onnx"].estimates |= estimates({"accuracy_lost": (0.06, 0.02)})
    assert checks(metrics)["accuracy_lost"].verdict == FAILED


def test_what_was_not_measured_is_unknown(metrics: Metrics) -> None:
    """And no error: it may be measured elsewhere."""
    del metrics.forms["onnx"]
    metrics.not_measured = {"onnx": "built for DML, which is not here"}
    found = checks(metrics)
    assert found["perplexity_ratio"].verdict == UNKNOWN
    assert found["over_base"].verdict == PASSED
    assert not gate.is_released(list(found.values()))
    assert gate.gate_error(list(found.values())) is None
    metrics.forms["merged"].estimates |= estimates({"agreement": (0.2, 0.1)})
    assert checks(metrics)["agreement"].form == "merged"  # lost before it, it is lost all the same


def test_free_answers_have_a_floor_of_their_own(metrics: Metrics) -> None:
    free = copy.deepcopy(metrics)
    free.labels = []
    for name, one in free.forms.items():
        own = {} if name == "base" else estimates(FREE)
        one.accuracy, one.exact_match, one.rouge_l = None, 0.1, 0.6
        one.estimates |= own
    found = checks(free)
    assert {one.verdict for one in found.values()} == {PASSED}
    assert set(FREE) <= set(found) and "over_majority" not in found


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("over_nearest", (0.02, 0.1)),
        ("over_base_answers", (-0.1, 0.2)),
        ("like_adapter", (0.4, 0.3)),
    ],
)
def test_broken_words_are_refused(key: str, value: tuple[float, float], metrics: Metrics) -> None:
    """Where free answers are not shown to be of use, the model is not released."""
    metrics.labels = []
    metrics.forms["onnx"].estimates |= estimates({**FREE, key: value})
    results = gate.check_limits(metrics, {})
    assert not gate.is_released(results)
    error = gate.gate_error(results)
    assert error is not None and key in error.what and error.exit_code == FAILED_RUN


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"acuracy_lost": 0.1}, "no limit 'acuracy_lost'"),
        ({"agreement": "high"}, "must be a number"),
        ({"agreement": True}, "must be a number"),
        ({"truncated_answers": 2}, "2 cannot be a limit of truncated_answers"),
    ],
)
def test_a_wrong_limit_is_a_message(given: dict[str, Any], message: str, tmp_path: Path) -> None:
    """Before any stage runs, with the file and the key."""
    (tmp_path / "project.yaml").write_text(json.dumps({"model": {"id": "tiny"}, "gate": given}))
    project = load_project(tmp_path)
    for check in (project_limits, STAGES["gate"].check):
        with pytest.raises(ScaffoldError, match=message) as caught:
            check(project)
        assert caught.value.where == f"{tmp_path / 'project.yaml'}: gate.{next(iter(given))}"
        assert caught.value.exit_code == 2


def test_a_gate_that_is_no_mapping_is_a_message(tmp_path: Path) -> None:
    (tmp_path / "project.yaml").write_text("model: {id: tiny}\ngate: [0.1]\n")
    with pytest.raises(ScaffoldError, match="Gate must be a mapping"):
        load_project(tmp_path)


def test_values_are_shown_in_their_unit() -> None:
    shown = {unit: format_value(0.02, unit) for unit in ("points", "share", "ratio", "MB")}
    assert shown == {"points": "2.0 points", "share": "2.0%", "ratio": "0.020", "MB": "0.02 MB"}
    odd = [(-0.0001, "points"), (0.0002, "ratio"), (2172.4, "tokens/s"), (5.794, "MB")]
    assert [format_value(*one) for one in odd] == [
        "0.0 points",
        "<0.001",
        "2,172 tokens/s",
        "5.79 MB",
    ]
