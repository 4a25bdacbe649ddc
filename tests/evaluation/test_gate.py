"""The gate: each limit is checked on its forms, and fails at the first that lost it."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from phi3scaffold.evaluation import gate
from phi3scaffold.evaluation.limits import LIMITS, format_value, project_limits
from phi3scaffold.evaluation.metrics import Baseline, FormMetrics, Metrics
from phi3scaffold.evaluation.release import FAILED, PASSED, UNKNOWN, WARNING, LimitResult
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError
from phi3scaffold.project.settings import load_project
from phi3scaffold.stages.graph import STAGES


def form(accuracy: float = 0.9, **other: Any) -> FormMetrics:
    values = {
        "accuracy": accuracy,
        "perplexity": 1.1,
        "agreement": 0.99,
        "tokens_per_second": 100.0,
        "disk_bytes": 5e6,
        "first_token_seconds": 0.05,
        "peak_bytes": 500_000_000,
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
        forms={
            "base": form(0.1, perplexity=50.0, agreement=0.2, truncated_answers=0.5),
            "adapter": form(),
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
    assert set(found) == {k for k, limit in LIMITS.items() if limit.default is not None} | {
        "over_tfidf"
    }
    assert gate.gate_error(list(found.values())) is None


@pytest.mark.parametrize(
    ("form", "change", "key"),
    [
        ("adapter", {"perplexity": 60.0}, "over_base"),
        ("adapter", {"accuracy": 0.27}, "over_majority"),
        ("adapter", {"truncated_answers": 0.3}, "truncated_answers"),
        ("merged", {"accuracy": 0.8}, "accuracy_lost"),
        ("merged", {"truncated_answers": 1.0}, "truncated_answers"),
        ("merged", {"agreement": 0.5}, "agreement"),
        ("onnx", {"accuracy": 0.8}, "accuracy_lost"),
        ("onnx", {"perplexity": 2.0}, "perplexity_ratio"),
        ("onnx", {"agreement": 0.8}, "agreement"),
        ("onnx", {"truncated_answers": 0.1}, "truncated_answers"),
    ],
)
def test_the_form_that_lost_it_is_named(
    form: str, change: dict[str, float], key: str, metrics: Metrics
) -> None:
    """Those behind inherit the fault; it is the first that has it."""
    order = ["adapter", "merged", "onnx"]
    for name in order[order.index(form) :]:
        vars(metrics.forms[name]).update(change)
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


def test_a_limit_of_the_divergence_is_checked_where_it_is_set(metrics: Metrics) -> None:
    metrics.forms["merged"].kl_divergence, metrics.forms["onnx"].kl_divergence = 0.0, 0.02
    assert checks(metrics, kl=0.05)["kl"].verdict == PASSED
    found = checks(metrics, kl=0.01)["kl"]
    assert (found.verdict, found.form, found.measured) == (FAILED, "onnx", "0.02 nats")


def test_null_switches_a_limit_off(metrics: Metrics) -> None:
    metrics.forms["onnx"].agreement = 0.1
    assert "agreement" not in checks(metrics, agreement=None)


def test_under_the_linear_baseline_is_a_warning(metrics: Metrics) -> None:
    metrics.baselines["tfidf"].accuracy = 0.95
    found = checks(metrics)
    assert found["over_tfidf"].verdict == WARNING
    assert gate.gate_error(list(found.values())) is None


def test_one_row_of_a_small_split_decides_nothing(metrics: Metrics) -> None:
    """Of 12 rows one is 8 points: more than the limit, and still only one row."""
    metrics.rows = 12
    metrics.forms["onnx"].accuracy = 0.9 - 1 / 12
    found = checks(metrics)["accuracy_lost"]
    assert found.verdict == UNKNOWN and "12 rows" in found.why
    metrics.forms["onnx"].accuracy = 0.9 - 2 / 12
    assert checks(metrics)["accuracy_lost"].verdict == FAILED


def test_what_was_not_measured_is_unknown(metrics: Metrics) -> None:
    del metrics.forms["onnx"]
    metrics.not_measured = {"onnx": "built for DML, which is not here"}
    found = checks(metrics)
    assert found["accuracy_lost"].verdict == UNKNOWN
    assert found["over_base"].verdict == PASSED
    metrics.forms["merged"].accuracy = 0.1  # what is lost before it is lost all the same
    assert checks(metrics)["accuracy_lost"].form == "merged"


def test_free_answers_are_judged_by_rouge(metrics: Metrics) -> None:
    free = copy.deepcopy(metrics)
    free.baselines = {}
    for one in free.forms.values():
        one.accuracy, one.exact_match, one.rouge_l = None, 0.1, 0.6
    assert {found.verdict for found in gate.check_limits(free, {})} == {PASSED}
    assert "over_majority" not in checks(free)
    free.forms["onnx"].rouge_l = 0.5
    assert checks(free)["accuracy_lost"].form == "onnx"
    assert checks(free)["accuracy_lost"].verdict == FAILED


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
