"""The release thresholds: project.yaml's `gate`.

`LIMITS` is their one home: what a limit is called, its text, unit and default, how its value is
computed from the metrics, and what to try where it fails. A new limit is one row there; then
`python -m phi3scaffold.generator.bundle` writes it into the template of project.yaml.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from phi3scaffold.evaluation.metrics import RENAMED, FormMetrics, Metrics
from phi3scaffold.inference.forms.kinds import COMPARED
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.layout import PROJECT_FILE
from phi3scaffold.project.settings import Project

TRAINED = COMPARED[1:]  # the adapter, and what is made from it, in that order
CONVERTED = TRAINED[1:]  # what has to answer like the adapter
SHIPPED = ("onnx",)
LEAST = {"points": -1, "share": 0}  # unit of a part of one -> its least value; its greatest is 1

Value = Callable[[FormMetrics, Metrics], float | None]


@dataclass(frozen=True)
class Limit:
    """One release threshold.

    Attributes:
        text: one line for people: what is limited.
        unit: points or share (of rows or tokens, as a number from 0 to 1), ratio, or a unit.
        is_maximum: whether the limit is the most or the least that is allowed.
        default: the limit where project.yaml sets none; None: it is not checked.
        forms: the forms that it holds for, in the order in which they are made.
        value: computes a form's value, None where it has none; without it the value is the estimate
            of this name, which is judged by its interval (see `FormMetrics.estimates`).
        may_be_unknown: whether a model is released, too, where its rows cannot tell.
        answers: the kind of answers that it is for, ``labels`` or ``free``; empty for both.
        advice: what to try where it fails; ``{form}`` stands for the advice about the form.
    """

    text: str
    unit: str
    is_maximum: bool
    default: float | None
    forms: tuple[str, ...]
    value: Value | None = None
    may_be_unknown: bool = False
    answers: str = ""
    advice: str = "{form}"


def _forgetting(form: FormMetrics, metrics: Metrics) -> float | None:
    base = metrics.forms.get("base")
    if base is None or base.neutral_loss is None or form.neutral_loss is None:
        return None
    return math.exp(min(form.neutral_loss - base.neutral_loss, 700.0))


RECIPE = "the recipe `fast`: group_size 64 (fine-tuning/README.md: quantize)"
ACCURACY = "accuracy_lost"  # the limit that `evaluate: accuracy: required` makes decisive
LIMITS = {
    "truncated_answers": Limit(
        text="share of answers cut off at the length limit",
        unit="share",
        is_maximum=True,
        default=0.02,
        forms=TRAINED,
        may_be_unknown=True,
        advice="look at `stop` in that form's prompt.json and at eos_token_id in its "
        "generation_config.json or genai_config.json; then {form}",
    ),
    "over_base": Limit(
        text="the adapter's perplexity divided by the base model's; below 1 means training helped",
        unit="ratio",
        is_maximum=True,
        default=1.0,
        forms=("adapter",),
    ),
    "over_majority": Limit(
        text="accuracy gain over always predicting the most frequent label",
        unit="points",
        is_maximum=False,
        default=0.05,
        forms=TRAINED,
        answers="labels",
    ),
    "over_tfidf": Limit(
        text="accuracy gain over a linear model (TF-IDF with logistic regression)",
        unit="points",
        is_maximum=False,
        default=0.0,
        forms=TRAINED,
        may_be_unknown=True,
        answers="labels",
    ),
    "over_nearest": Limit(
        text="ROUGE-L gain over the answer of the nearest training prompt (TF-IDF)",
        unit="points",
        is_maximum=False,
        default=0.0,
        forms=TRAINED,
        answers="free",
    ),
    "over_base_answers": Limit(
        text="ROUGE-L gain over the base model's answers",
        unit="points",
        is_maximum=False,
        default=0.0,
        forms=TRAINED,
        answers="free",
    ),
    "forgetting": Limit(
        text="perplexity of a neutral text divided by the base model's; it rises with forgetting",
        unit="ratio",
        is_maximum=True,
        default=None,
        forms=TRAINED,
        value=_forgetting,
        advice="fewer epochs or a lower learning rate: phi3scaffold set epochs=N; else {form}",
    ),
    ACCURACY: Limit(
        text="accuracy (ROUGE-L for free text) lost relative to the adapter",
        unit="points",
        is_maximum=True,
        default=0.02,
        forms=CONVERTED,
        may_be_unknown=True,
    ),
    "perplexity_ratio": Limit(
        text="perplexity of the expected answers divided by the adapter's",
        unit="ratio",
        is_maximum=True,
        default=1.25,
        forms=CONVERTED,
    ),
    "agreement": Limit(
        text="share of the adapter's tokens that the form would choose, too",
        unit="share",
        is_maximum=False,
        default=0.9,
        forms=CONVERTED,
    ),
    "kl": Limit(
        text="mean Kullback-Leibler divergence from the adapter, a token",
        unit="nats",
        is_maximum=True,
        default=0.25,
        forms=CONVERTED,
    ),
    "like_adapter": Limit(
        text="share of answers that are the adapter's, or have a ROUGE-L of 0.5 or more with them",
        unit="share",
        is_maximum=False,
        default=0.5,
        forms=TRAINED,
        answers="free",
    ),
    "tokens_per_second": Limit(
        text="speed of the ONNX form, one answer at a time",
        unit="tokens/s",
        is_maximum=False,
        default=None,
        forms=SHIPPED,
        value=lambda form, _: form.tokens_per_second,
        advice=RECIPE,
    ),
    "first_token_ms": Limit(
        text="median time to the first token of the ONNX form, one prompt at a time",
        unit="ms",
        is_maximum=True,
        default=None,
        forms=SHIPPED,
        value=lambda form, _: 1000 * form.first_token_seconds,
        advice=RECIPE,
    ),
    "size_mb": Limit(
        text="size of the ONNX form on disk",
        unit="MB",
        is_maximum=True,
        default=None,
        forms=SHIPPED,
        value=lambda form, _: form.disk_bytes / 1e6,
        advice=RECIPE,
    ),
    "memory_mb": Limit(
        text="peak memory of the process that answers with the ONNX form",
        unit="MB",
        is_maximum=True,
        default=None,
        forms=SHIPPED,
        value=lambda form, _: form.peak_bytes / 1e6 or None,
        advice=RECIPE,
    ),
}

_GROUPS = {TRAINED: ", every trained form", CONVERTED: ", every converted form"}


def project_limits(project: Project) -> dict[str, float | None]:
    """Return the limits that project.yaml sets, by their names of today; None switches one off.

    Raises:
        ScaffoldError: an unknown limit, or a value that is no number, or one that it cannot have.
    """
    where = f"{project.root / PROJECT_FILE}: gate"
    limits = {}
    for name, value in project.gate:
        key = RENAMED.get(name, name)
        _check(key, value, f"{where}.{name}", where)
        limits[key] = value
    return limits


def _check(key: str, value: Any, at: str, where: str) -> None:
    if key not in LIMITS:
        raise ScaffoldError(
            f"The gate has no limit {key!r}.", where=at, fix=f"one of: {', '.join(LIMITS)}"
        )
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ScaffoldError(
            f"It must be a number, or null to switch the limit off; not {value!r}.", where=at
        )
    limit = LIMITS[key]
    is_part = limit.unit in LEAST
    if not (LEAST[limit.unit] <= value <= 1 if is_part else 0 < value < math.inf):
        raise ScaffoldError(
            f"{value!r} cannot be a limit of {key} ({limit.text}).",
            where=at,
            fix="use a fraction: 0.02 means 2 %" if is_part else "a number above 0",
        )


def format_value(value: float, unit: str) -> str:
    """Return a value in its unit, such as ``2.0 points`` for 0.02."""
    if unit == "points":
        return f"{round(100 * value, 1) + 0.0:.1f} points"  # no minus before a zero
    if unit == "share":
        return f"{value:.1%}"
    if unit == "ratio":
        if 0 < value < 0.0005:
            return "<0.001"
        return f"{value:.3f}" if value < 1000 else f"{value:.3g}"
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"


def project_yaml_section() -> str:
    """Return the template of project.yaml's `gate`: each limit's text above its default."""
    lines = ["gate:"]
    for key, limit in LIMITS.items():
        bound = "maximum" if limit.is_maximum else "minimum"
        text = f"{limit.text[:1].upper()}{limit.text[1:]} ({bound}{_GROUPS.get(limit.forms, '')})."
        wrapped = textwrap.wrap(text, 94, break_on_hyphens=False)
        value = "null" if limit.default is None else limit.default
        rows = [*(f"  # {line}" for line in wrapped), f"  {key}: {value}"]
        if limit.answers:
            test = "==" if limit.answers == "labels" else "!="
            rows = [f"{{% if task {test} 'classify' %}}", *rows, "{% endif %}"]
        lines += rows
    return "\n".join(lines) + "\n"
