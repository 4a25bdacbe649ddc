"""The gate: whether the metrics of a model's forms are within the limits of project.yaml.

A limit is checked on every form it holds for, in the order in which they are made: adapter, merged,
onnx. The first form that fails is the one that lost it; those made from it only inherit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from phi3scaffold.evaluation.limits import LIMITS, TRAINED
from phi3scaffold.evaluation.metrics import Metrics
from phi3scaffold.evaluation.release import FAILED, PASSED, UNKNOWN, WARNING, LimitResult
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError

# What to try where a form fails, by the form; a limit may have advice of its own.
ADVICE = {
    "adapter": "more or cleaner rows, more epochs, a higher rank or another learning rate "
    "(fine-tuning/README.md)",
    "merged": "phi3scaffold merge once more; with QLoRA, the other merge_base in project.yaml",
    "onnx": "a closer quantizer (fine-tuning/README.md: quantize): that of the recipe `best`, or 8 "
    "bits; with QLoRA, the other merge_base in project.yaml; precision fp32 to compare with",
    "onnx-adapter": "a closer quantizer for the base (fine-tuning/README.md: quantize)",
}


def check_limits(metrics: Metrics, limits: Mapping[str, float | None]) -> list[LimitResult]:
    """Check every limit that is set, and whether the linear baseline is better.

    Args:
        metrics: of the forms.
        limits: project.yaml's, over the defaults; None switches a limit off.
    """
    results = []
    for key, limit in LIMITS.items():
        allowed = limits.get(key, limit.default)
        result = None if allowed is None else _check(key, float(allowed), metrics)
        if result:
            results.append(result)
    return [*results, *_compare_with_linear_model(metrics)]


def is_released(results: Sequence[LimitResult]) -> bool:
    """Return whether every limit passed; a warning holds no model back."""
    return all(result.verdict in (PASSED, WARNING) for result in results)


def _check(key: str, allowed: float, metrics: Metrics) -> LimitResult | None:
    """Check one limit; None where it does not apply, such as a label's to free answers."""
    limit, last = LIMITS[key], None

    def result(verdict: str, form: str, value: float | None, why: str = "") -> LimitResult:
        its = (key, limit.text, limit.unit, allowed, limit.is_maximum)
        return LimitResult(*its, verdict, form, value, why)

    row = 1 / metrics.rows if limit.counts_rows else 0.0
    for name in limit.forms:
        if name in metrics.not_measured:
            return result(UNKNOWN, name, None, f"{name} was not measured")
        value = limit.value(metrics.forms[name], metrics) if name in metrics.forms else None
        if value is None:
            continue
        over = value - allowed if limit.is_maximum else allowed - value
        if over <= 1e-9:
            last = result(PASSED, name, value)
        elif over < row and row > abs(allowed) > 0:
            return result(UNKNOWN, name, value, f"one of {metrics.rows} rows is {row:.1%}")
        else:
            return result(FAILED, name, value)
    return last


def _compare_with_linear_model(metrics: Metrics) -> Iterator[LimitResult]:
    """Warn where a linear model is better: a language model is not worth its cost there."""
    linear = metrics.baselines.get("tfidf")
    shipped = "onnx" if "onnx" in metrics.forms else "adapter"
    if linear:
        value = metrics.forms[shipped].score - linear.accuracy
        text = "accuracy over TF-IDF with logistic regression (a warning only)"
        its = WARNING if value < 0 else PASSED
        yield LimitResult("over_tfidf", text, "points", 0.0, False, its, shipped, value)


def gate_error(results: Sequence[LimitResult]) -> ScaffoldError | None:
    """Return the one error that names what failed, the first form that did, and what to try."""
    failed = [result for result in results if result.verdict == FAILED]
    if not failed:
        return None
    form = TRAINED[min(TRAINED.index(result.form or TRAINED[0]) for result in failed)]
    summary = "; ".join(result.summary for result in failed)
    first = next(result for result in failed if result.form in (form, None))
    advice = LIMITS[first.key].advice if first.key in LIMITS else "{form}"
    return ScaffoldError(
        f"The gate failed, at the {form} form: {summary}. The model is not released.",
        where="project.yaml: gate",
        fix=advice.replace("{form}", ADVICE[form]),
        exit_code=FAILED_RUN,
    )
