"""release.json as typed records: the verdict on a model, limit by limit, and its schema."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from phi3scaffold.evaluation import metrics
from phi3scaffold.evaluation.estimate import CONFIDENCE, FAILED, PASSED, UNKNOWN
from phi3scaffold.evaluation.limits import format_value
from phi3scaffold.evaluation.looks import confidence
from phi3scaffold.evaluation.metrics import Metrics, known_fields
from phi3scaffold.project.files import read_json

RENAMED = {"what": "text", "most": "is_maximum", "rung": "form"}  # old key -> today's
# As earlier versions wrote them.
VERDICTS = {"kept": PASSED, "broken": FAILED, "warning": UNKNOWN}


@dataclass
class LimitResult:
    """How one limit came out.

    Attributes:
        key: the limit's name in project.yaml.
        text: what is limited, in one line.
        unit: of `limit` and `value` (see `phi3scaffold.evaluation.limits`).
        limit: the value allowed.
        is_maximum: whether that is the most or the least.
        verdict: ``passed``, ``failed`` or ``unknown`` (it could not be told).
        form: the first form that failed or is unknown, else the last one checked; None where there
            was none.
        value: the value there; None where it was not measured.
        why: why it is unknown.
        interval: the interval of the value, as [low, high]; None of what is no estimate.
        holds_back: whether the model is not released where this is unknown.
        confidence: of the interval.
    """

    key: str
    text: str
    unit: str
    limit: float
    is_maximum: bool
    verdict: str
    form: str | None = None
    value: float | None = None
    why: str = ""
    interval: list[float] | None = None
    holds_back: bool = True
    confidence: float = CONFIDENCE

    @property
    def allowed(self) -> str:
        """The limit in words: ``at most 2.0%``."""
        bound = "at most" if self.is_maximum else "at least"
        return f"{bound} {format_value(self.limit, self.unit)}"

    @property
    def measured(self) -> str:
        """The value in its unit; empty where it was not measured."""
        return "" if self.value is None else format_value(self.value, self.unit)

    @property
    def range(self) -> str:
        """The interval in the value's unit, such as ``-0.8 to 3.1 points``; empty without one."""
        if self.interval is None:
            return ""
        low, high = (format_value(end, self.unit) for end in self.interval)
        number, _, unit = low.partition(" ")
        return f"{number if unit else low.removesuffix('%')} to {high}"

    @property
    def summary(self) -> str:
        """In a few words: ``accuracy_lost 12.0 points (at most 2.0 points), at merged``."""
        value = f" {self.measured}" if self.measured else ""
        where = f", at {self.form}" if self.form else ""
        interval = f", {level_text(self.confidence)} interval {self.range}" if self.range else ""
        return f"{self.key}{value} ({self.allowed}{interval}){where}"


def level_text(confidence: float) -> str:
    """Return a confidence in percent, with as many digits as tell it from certainty."""
    digits = max(0, math.ceil(-math.log10(1 - confidence)) - 1) if confidence < 1 else 0
    text = f"{100 * confidence:.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if digits else text} %"


def looks_remark(metrics: Metrics) -> str:
    """Return which of the planned looks gave the verdict, and what its intervals are; or ""."""
    if len(metrics.looks) < 2:
        return ""
    looks = tuple(metrics.looks)
    after = ", ".join(f"{rows:,}" for rows in looks)
    level = level_text(confidence(looks, metrics.look))
    return (
        f"Look {metrics.look} of {len(looks)}, planned beforehand (after {after} held-out rows): "
        f"its intervals have {level}, so that all looks together have 95 %."
    )


@dataclass
class Release:
    """The content of release.json.

    Attributes:
        released: whether every limit passed.
        model: sha256 over the files of the ONNX form; None where there is none.
        metrics: sha256 of the metrics.json that was judged.
        demonstration: whether the model is the embedded one, for testing the pipeline only.
        checks: every limit that was checked, in the order of project.yaml.
        advice: the probable reason of a failure, with the setting to change; or nothing.
        remarks: sentences on what else should be known, such as a short training.
        rows: sha256 of the held-out rows that were judged by.
        verdicts: sha256 of held-out rows -> the models that were judged by them, this one last.
    """

    released: bool
    model: str | None = None
    metrics: str = ""
    demonstration: bool = False
    rows: str = ""
    checks: list[LimitResult] = field(default_factory=list)
    advice: str = ""
    remarks: list[str] = field(default_factory=list)
    verdicts: dict[str, list[str]] = field(default_factory=dict)

    @property
    def number(self) -> int:
        """Which verdict on the same held-out rows this is; 0 where that was not recorded."""
        return len(self.verdicts.get(self.rows, ())) if self.rows else 0

    @property
    def interval_heading(self) -> str:
        """What heads the intervals of the checks: ``95 % interval``."""
        known = (check.confidence for check in self.checks if check.interval)
        return f"{level_text(next(known, CONFIDENCE))} interval"

    @property
    def notes(self) -> list[str]:
        """Sentences on what holds no model back, and should be known all the same."""
        unknown = [
            f"{check.summary}: {check.why}."
            for check in self.checks
            if check.verdict == UNKNOWN and not check.holds_back
        ]
        return [*unknown, *self.remarks]

    def to_json(self) -> dict[str, Any]:
        """Return JSON-able values; `from_json` reads them."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Release:
        """Read what `to_json` wrote, here or in an earlier version."""
        checks = [_result(one) for one in values["checks"]]
        return cls(**{**known_fields(cls, values), "checks": checks})


def read_release(path: Path) -> Release:
    """Read a release.json.

    Raises:
        ScaffoldError, OSError, KeyError, TypeError: it is not there, or holds something else.
    """
    return Release.from_json(read_json(path))


def _result(values: Mapping[str, Any]) -> LimitResult:
    result = LimitResult(**known_fields(LimitResult, values, RENAMED))
    result.key = metrics.RENAMED.get(result.key, result.key)
    result.verdict = VERDICTS.get(result.verdict, result.verdict)
    return result
