"""The gate: whether the metrics of a model's forms are within the limits of project.yaml.

A limit is checked on every form it holds for, in the order in which they are made: adapter, merged,
onnx. The first form that fails is the one that lost it; those made from it only inherit.

What is computed from rows passes or fails by its interval (`Estimate`), else it is unknown. A model
is released where nothing failed, and nothing is unknown but what may be: its fidelity to the
adapter decides (perplexity, divergence, agreement), since accuracy on a few hundred rows cannot.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from phi3scaffold.evaluation.estimate import CONFIDENCE, FAILED, PASSED, UNKNOWN, Estimate, holm
from phi3scaffold.evaluation.limits import ACCURACY, LIMITS, TRAINED
from phi3scaffold.evaluation.looks import level
from phi3scaffold.evaluation.metrics import Metrics
from phi3scaffold.evaluation.release import LimitResult
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError
from phi3scaffold.project.formatting import count

# What to try where a form fails, by the form; a limit may have advice of its own.
ADVICE = {
    "adapter": "more or cleaner rows, more epochs, a higher rank or another learning rate "
    "(fine-tuning/README.md)",
    "merged": "phi3scaffold merge once more; with QLoRA, the other merge_base in project.yaml",
    "onnx": "a closer quantizer (fine-tuning/README.md: quantize): that of the recipe `best`, or 8 "
    "bits; with QLoRA, the other merge_base in project.yaml; precision fp32 to compare with",
    "onnx-adapter": "a closer quantizer for the base (fine-tuning/README.md: quantize)",
}
MORE_ROWS = "hold out more rows (files.held_out in datasets/dataset.yaml)"


@dataclass
class _Line:
    """A limit on one form: its value, and the estimate that this is, if it is one."""

    key: str
    allowed: float
    form: str
    value: float | None = None
    estimate: Estimate | None = None
    why: str = ""

    @property
    def is_within(self) -> bool:
        assert self.value is not None
        over = self.value - self.allowed
        return (over if LIMITS[self.key].is_maximum else -over) <= 1e-9

    @property
    def failure_p(self) -> float:
        """The p-value of its failure."""
        if self.estimate:
            return self.estimate.failure_p(self.allowed, LIMITS[self.key].is_maximum)
        return 1.0 if self.value is None or self.is_within else 0.0


def check_limits(
    metrics: Metrics, limits: Mapping[str, float | None], *, accuracy_required: bool = False
) -> list[LimitResult]:
    """Check every limit that is set.

    Args:
        metrics: of the forms.
        limits: project.yaml's, over the defaults; None switches a limit off.
        accuracy_required: whether an unknown loss of accuracy holds the model back.
    """
    lines = [
        line
        for key, limit in LIMITS.items()
        if (allowed := limits.get(key, limit.default)) is not None
        for line in _lines(key, float(allowed), metrics)
    ]
    looks = tuple(metrics.looks)
    failed = holm(
        [line.failure_p for line in lines], lambda alpha: level(looks, metrics.look, alpha)
    )
    results = []
    for key in dict.fromkeys(line.key for line in lines):
        own = [
            _result(line, fails, metrics, accuracy_required)
            for line, fails in zip(lines, failed, strict=True)
            if line.key == key
        ]
        failures = [one for one in own if one.verdict == FAILED]
        unknown = [one for one in own if one.verdict == UNKNOWN]
        results.append(failures[0] if failures else _worst(unknown) if unknown else own[-1])
    return results


def _worst(results: Sequence[LimitResult]) -> LimitResult:
    """Return the result of the form that was not measured, or is furthest on the wrong side."""
    sign = 1 if results[0].is_maximum else -1
    return max(results, key=lambda one: math.inf if one.value is None else sign * one.value)


def is_released(results: Sequence[LimitResult]) -> bool:
    """Return whether nothing failed, and nothing is unknown that holds a model back."""
    return all(
        result.verdict == PASSED or (result.verdict == UNKNOWN and not result.holds_back)
        for result in results
    )


def is_decided(results: Sequence[LimitResult]) -> bool:
    """Return whether more rows would not change if the model is released."""
    verdicts = {result.verdict for result in results}
    return FAILED in verdicts or UNKNOWN not in verdicts


def _lines(key: str, allowed: float, metrics: Metrics) -> Iterator[_Line]:
    """Yield the forms that a limit is checked on; none where it is for other answers."""
    limit = LIMITS[key]
    if limit.answers and (limit.answers == "labels") != metrics.is_classification:
        return
    for name in limit.forms:
        form = metrics.forms.get(name)
        if name in metrics.not_measured:
            yield _Line(key, allowed, name, why=f"{name} was not measured")
        elif form is None:
            continue
        elif limit.value is None:
            estimate = form.estimates.get(key)
            if estimate:
                yield _Line(key, allowed, name, estimate.value, estimate)
        elif (value := limit.value(form, metrics)) is not None:
            yield _Line(key, allowed, name, value)


def _result(line: _Line, fails: bool, metrics: Metrics, accuracy_required: bool) -> LimitResult:
    limit, estimate, why = LIMITS[line.key], line.estimate, line.why
    if fails:
        verdict = FAILED
    elif estimate is None:
        verdict = UNKNOWN if line.value is None else PASSED
    else:
        verdict = estimate.verdict(line.allowed, limit.is_maximum)
        if verdict == FAILED:  # by itself it would; of so many lines one may by chance
            verdict, why = UNKNOWN, "outside, which one of so many limits may be by chance"
        elif verdict == UNKNOWN:
            why = _needed(line, metrics)
    return LimitResult(
        line.key,
        limit.text,
        limit.unit,
        line.allowed,
        limit.is_maximum,
        verdict,
        line.form,
        line.value,
        why,
        [estimate.low, estimate.high] if estimate else None,
        holds_back=not limit.may_be_unknown or (line.key == ACCURACY and accuracy_required),
        confidence=estimate.confidence if estimate else CONFIDENCE,
    )


def _needed(line: _Line, metrics: Metrics) -> str:
    """Say how many rows would settle it."""
    assert line.estimate
    needed = line.estimate.questions_needed(line.allowed, LIMITS[line.key].is_maximum)
    of = count(round(line.estimate.questions), "row")
    if needed is None or needed <= line.estimate.questions:
        return f"{of} cannot tell it"
    return f"{of} cannot tell it; about {count(_rounded(needed))} held-out rows would"


def _rounded(rows: int) -> int:
    """Round up to two digits: what it is computed from is not exact either."""
    unit = 10 ** max(0, len(str(rows)) - 2)
    return -(-rows // unit) * unit


def first_failure(results: Sequence[LimitResult]) -> str | None:
    """Return the first form that failed a limit; None where none did."""
    failed = [result.form or TRAINED[0] for result in results if result.verdict == FAILED]
    return min(failed, key=TRAINED.index, default=None)


def gate_error(results: Sequence[LimitResult], advice: str = "") -> ScaffoldError | None:
    """Return the one error that names what holds the model back, and what to try; or None.

    What failed comes first, with the first form that did. What could not be measured here is no
    error: it may be measured elsewhere.

    Args:
        results: of the limits.
        advice: what the run itself gives as a reason (see `phi3scaffold.evaluation.advice`).
    """
    failed = [result for result in results if result.verdict == FAILED]
    if failed:
        form = first_failure(results) or TRAINED[0]
        summary = "; ".join(result.summary for result in failed)
        first = next(result for result in failed if result.form in (form, None))
        usual = LIMITS[first.key].advice if first.key in LIMITS else "{form}"
        what = f"The gate failed, at the {form} form: {summary}."
        fix = usual.replace("{form}", f"{advice}; else {ADVICE[form]}" if advice else ADVICE[form])
    else:
        unknown = [
            result
            for result in results
            if result.verdict == UNKNOWN and result.holds_back and result.value is not None
        ]
        if not unknown:
            return None
        summary = "; ".join(f"{result.summary}: {result.why}" for result in unknown)
        what, fix = f"It is unknown whether the gate passes: {summary}.", MORE_ROWS
    return ScaffoldError(
        f"{what} The model is not released.",
        where="project.yaml: gate",
        fix=fix,
        exit_code=FAILED_RUN,
    )
