"""The report's section on the probabilities of labels: how good, and what a person gets."""

from __future__ import annotations

from typing import Any

from phi3scaffold.evaluation.calibration_metrics import CalibrationMetrics
from phi3scaffold.evaluation.estimate import Estimate
from phi3scaffold.evaluation.metrics import Metrics
from phi3scaffold.project.formatting import count
from phi3scaffold.reporting.figures import curves

HEADINGS = ("form", "score", "value", "95 % interval", "before")
KEYS = ("as often right as its probability says", "answers")


def section(metrics: Metrics, best: str) -> dict[str, Any] | None:
    """Return what the page shows; None where no form has probabilities."""
    found = {
        name: one
        for name in metrics.compared
        if (one := metrics.forms[name].calibration) is not None
    }
    if not found:
        return None
    shown = best if best in found else list(found)[-1]
    own = found[shown]
    return {
        "form": shown,
        "rows": own.validation_rows,
        "picture": _picture(own),
        "keys": KEYS,
        "headings": HEADINGS,
        "lines": [line for name, one in found.items() for line in _lines(name, one)],
        "parts": (
            *((f"temperature of {name}", f"{one.temperature:.2f}") for name, one in found.items()),
            ("miscalibration", f"{own.miscalibration:.4f}"),
            ("discrimination", f"{own.discrimination:.4f}"),
            ("uncertainty", f"{own.uncertainty:.4f}"),
        ),
        "threshold": _threshold(own),
    }


def _lines(name: str, one: CalibrationMetrics) -> list[tuple[str, ...]]:
    """Return a line for each score: two columns more would not fit a phone."""
    scores = (
        ("Brier", one.brier, one.brier_before),
        ("log loss", one.log_loss, one.log_loss_before),
    )
    return [
        (name, score, f"{its.value:.3f}", _range(its), f"{before:.3f}")
        for score, its, before in scores
    ]


def _range(one: Estimate) -> str:
    return f"{one.low:.3f} to {one.high:.3f}"


def _percent(one: Estimate) -> str:
    return f"{one.value:.1%} ({one.low:.1%} to {one.high:.1%})"


def _threshold(own: CalibrationMetrics) -> str:
    """Return what the proposed threshold does."""
    if own.threshold is None or own.coverage is None:
        return (
            "No value of --abstain-below is proposed: none halves the share of errors on the "
            "validation rows."
        )
    right = _percent(own.covered_accuracy) if own.covered_accuracy else "unknown"
    return (
        f"phi3scaffold infer --abstain-below {own.threshold:g} (or auto) leaves rows for a person: "
        f"the value comes from {count(own.validation_rows, 'validation row')}, of whose errors' "
        f"share it leaves half. On the held-out rows it answers {_percent(own.coverage)} of the "
        f"rows, and of these {right} as expected."
    )


def _picture(own: CalibrationMetrics) -> Any:
    points = [(100 * x, 100 * y) for x, y, _, _ in own.reliability]
    band = [(100 * x, 100 * low, 100 * high) for x, _, low, high in own.reliability]
    series = {KEYS[0]: [(0.0, 0.0), (100.0, 100.0)], KEYS[1]: points}
    described = "; ".join(
        f"{x:.0f} %: {y:.0f} % right" for x, y in points[:: len(points) // 8 or 1]
    )
    across = "probability of the answer, in percent"
    return curves(series, across, "Reliability of the probabilities", described, band=band)
