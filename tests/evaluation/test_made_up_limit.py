"""A new limit is one row of `LIMITS`: it is seen wherever limits are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from phi3scaffold.evaluation import gate
from phi3scaffold.evaluation.comparison_lines import gate_lines
from phi3scaffold.evaluation.estimate import FAILED
from phi3scaffold.evaluation.limits import LIMITS, Limit, project_limits, project_yaml_section
from phi3scaffold.evaluation.metrics import FormMetrics, Metrics
from phi3scaffold.evaluation.release import Release
from phi3scaffold.project.settings import load_project
from phi3scaffold.reporting import model_card, report_page
from phi3scaffold.reporting.run_record import RunRecord
from tests.reporting.conftest import made, real  # noqa: F401 (fixtures)

SLOW_START = Limit(
    text="time until the first token of the ONNX form",
    unit="s",
    is_maximum=True,
    default=0.25,
    forms=("onnx",),
    value=lambda form, _: form.first_token_seconds,
    advice="a smaller model",
)
METRICS = Metrics(
    task="qa",
    model="tiny",
    rows=100,
    held_out=100,
    forms={
        "adapter": FormMetrics(1.0, rouge_l=0.5),
        "onnx": FormMetrics(1.0, rouge_l=0.5, first_token_seconds=2.0),
    },
)


@pytest.fixture(autouse=True)
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LIMITS, "slow_start", SLOW_START)


def test_project_yaml_has_it_and_may_set_it(tmp_path: Path) -> None:
    section = project_yaml_section()
    assert "# Time until the first token of the ONNX form (maximum).\n  slow_start: 0.25" in section
    (tmp_path / "project.yaml").write_text("model: {id: tiny}\ngate: {slow_start: 3}\n")
    assert project_limits(load_project(tmp_path)) == {"slow_start": 3}


def test_the_gate_checks_it_and_gives_its_advice() -> None:
    (result,) = [one for one in gate.check_limits(METRICS, {}) if one.key == "slow_start"]
    assert (result.verdict, result.form, result.value) == (FAILED, "onnx", 2.0)
    error = gate.gate_error([result])
    assert error is not None and error.fix == "a smaller model"
    assert "slow_start 2 s (at most 0.25 s), at onnx" in error.what
    assert "slow_start" not in {one.key for one in gate.check_limits(METRICS, {"slow_start": None})}


def test_release_json_terminal_page_and_card_show_it(
    made: RunRecord,  # noqa: F811
    tmp_path: Path,
) -> None:
    checks = gate.check_limits(METRICS, {})
    release = Release.from_json(json.loads(json.dumps(Release(False, checks=checks).to_json())))
    assert "  failed  slow_start                  2 s  at most 0.25 s        at onnx" in gate_lines(
        release
    )
    made.release.checks[:] = release.checks
    report_page.write(made, tmp_path / "index.html")
    model_card.write(made, tmp_path / "MODEL_CARD.md")
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "<code>slow_start</code> time until the first token of the ONNX form" in page
    assert "2 s at onnx" in page and "at most 0.25 s" in page
    card = (tmp_path / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "| `slow_start` | failed | 2 s at onnx |  | at most 0.25 s |" in card
