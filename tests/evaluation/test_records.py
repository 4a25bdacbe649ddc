"""metrics.json and release.json: what is written is read again, and so are files of 0.1.0."""

from __future__ import annotations

import dataclasses
import json

from phi3scaffold.evaluation.estimate import FAILED, PASSED, Estimate
from phi3scaffold.evaluation.metrics import Baseline, FormMetrics, Metrics
from phi3scaffold.evaluation.release import LimitResult, Release

METRICS = Metrics(
    task="classify",
    model="tiny",
    rows=2,
    held_out=3,
    labels=["a", "b"],
    forms={
        "onnx": FormMetrics(
            1.5,
            accuracy=0.5,
            accuracy_interval=[0.1, 0.9],
            confusion=[[1, 0, 0]],
            estimates={"kl": Estimate(0.1, 0.05, 0.2, 2.0)},
        ),
        "base": FormMetrics(9.0, accuracy=0.0, truncated_answers=0.5, peak_bytes=7),
    },
    baselines={"majority": Baseline(0.5, [0.1, 0.9], label="a"), "tfidf": Baseline(1.0, rows=4)},
    not_measured={"merged": "why"},
)
RELEASE = Release(
    released=True,
    checks=[
        LimitResult("agreement", "text", "share", 0.9, False, PASSED, "onnx", 0.95, "", [0.9, 1.0])
    ],
)


def test_what_is_written_is_read_again() -> None:
    assert Metrics.from_json(json.loads(json.dumps(METRICS.to_json()))) == METRICS
    assert Release.from_json(json.loads(json.dumps(RELEASE.to_json()))) == RELEASE
    assert METRICS.compared == ["base", "onnx"]


def test_what_does_not_apply_is_not_written() -> None:
    written = METRICS.to_json()
    assert (
        "rouge_l" not in written["forms"]["onnx"] and "label" not in written["baselines"]["tfidf"]
    )


def test_metrics_of_an_earlier_version_are_read() -> None:
    """Its keys had other names, and some were not there."""
    values = METRICS.to_json()
    base = values["forms"]["base"]
    base["unfinished"] = base.pop("truncated_answers")
    base["something_else"] = 1
    for key in ("measured", "machine", "demonstration", "not_measured"):
        del values[key]
    assert Metrics.from_json(values) == dataclasses.replace(METRICS, not_measured={})


def test_a_release_of_an_earlier_version_is_read() -> None:
    old = {
        "key": "unfinished",
        "what": "answers that do not come to their end",
        "unit": "share",
        "limit": 0.02,
        "most": True,
        "verdict": "broken",
        "rung": "onnx",
        "value": 0.3,
        "why": "",
    }
    checks = [old, {**old, "key": "size_mb", "verdict": "kept"}]
    release = Release.from_json({"released": False, "model": "0", "checks": checks})
    first, second = release.checks
    assert first.key == "truncated_answers" and first.form == "onnx" and first.is_maximum
    assert (first.verdict, second.verdict) == (FAILED, PASSED)
    assert first.summary == "truncated_answers 30.0% (at most 2.0%), at onnx"
