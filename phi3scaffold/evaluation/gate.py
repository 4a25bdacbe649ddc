"""The gate: limits from project.yaml, and at which rung of the ladder each is broken.

A limit is looked at on every rung it speaks of, in the order in which a model is made: adapter,
merged, onnx. The first rung that breaks it is the one that lost it; those behind only inherit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from phi3scaffold.inference.forms.kinds import COMPARED
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError
from phi3scaffold.project.limits import LIMITS, show

KEPT, BROKEN, UNKNOWN, WARNING = "kept", "broken", "unknown", "warning"
MADE = COMPARED[1:]  # the rungs behind the base, as they are made
BEHIND = MADE[1:]  # those that have to answer like the adapter
SHIPPED = ("onnx",)

Rung = Mapping[str, Any]
Value = Callable[[Rung, Mapping[str, Any]], float | None]


def right(rung: Rung) -> float:
    """A rung's main score: accuracy of labels, ROUGE-L of free answers."""
    return float(rung["accuracy"] if "accuracy" in rung else rung["rouge_l"])


def _over_base(rung: Rung, metrics: Mapping[str, Any]) -> float | None:
    base = metrics["forms"].get("base")
    return rung["perplexity"] / base["perplexity"] if base else None


def _over_majority(rung: Rung, metrics: Mapping[str, Any]) -> float | None:
    majority = metrics["baselines"].get("majority")
    return rung["accuracy"] - majority["accuracy"] if majority else None


def _lost(rung: Rung, metrics: Mapping[str, Any]) -> float | None:
    return right(metrics["forms"]["adapter"]) - right(rung)


def _perplexity(rung: Rung, metrics: Mapping[str, Any]) -> float | None:
    return rung["perplexity"] / metrics["forms"]["adapter"]["perplexity"]


@dataclass(frozen=True)
class Rule:
    """How a limit is looked at.

    Attributes:
        rungs: the rungs it speaks of.
        value: a rung's value, from the rung and the whole metrics; None where it has none.
        rows: whether a single row moves the value by 1/rows.
    """

    rungs: tuple[str, ...]
    value: Value
    rows: bool = False


RULES = {
    "over_base": Rule(("adapter",), _over_base),
    "over_majority": Rule(MADE, _over_majority, rows=True),
    "unfinished": Rule(MADE, lambda rung, _: rung["unfinished"], rows=True),
    "accuracy_lost": Rule(BEHIND, _lost, rows=True),
    "perplexity_ratio": Rule(BEHIND, _perplexity),
    "agreement": Rule(BEHIND, lambda rung, _: rung.get("agreement")),
    "tokens_per_second": Rule(SHIPPED, lambda rung, _: rung["tokens_per_second"]),
    "size_mb": Rule(SHIPPED, lambda rung, _: rung["disk_bytes"] / 1e6),
}

TRY = {
    "adapter": "more or cleaner rows, more epochs, a higher rank or another learning rate "
    "(fine-tuning/README.md)",
    "merged": "phi3scaffold merge once more; with QLoRA, the other merge_base in project.yaml",
    "onnx": "a closer quantizer (fine-tuning/README.md: quantize): that of the recipe `best`, or 8 "
    "bits; with QLoRA, the other merge_base in project.yaml; precision fp32 to compare with",
    "onnx-adapter": "a closer quantizer for the base (fine-tuning/README.md: quantize)",
}


@dataclass(frozen=True)
class Check:
    """What became of one limit.

    Attributes:
        key, what, unit: the limit's.
        limit: the value allowed.
        most: whether it is the most or the least.
        verdict: `KEPT`, `BROKEN`, `UNKNOWN` (it could not be told), `WARNING`.
        rung: where it broke, or the last rung looked at; None where there was none.
        value: the value there.
        why: why it is unknown.
    """

    key: str
    what: str
    unit: str
    limit: float
    most: bool
    verdict: str
    rung: str | None
    value: float | None
    why: str = ""


def check(metrics: Mapping[str, Any], limits: Mapping[str, float | None]) -> list[Check]:
    """Every limit that is set, and the warning about the linear baseline.

    Args:
        metrics: what the evaluation wrote.
        limits: project.yaml's `gate`, over the defaults; None switches a limit off.
    """
    found = []
    for key, limit in LIMITS.items():
        allowed = limits.get(key, limit.default)
        checked = None if allowed is None else _check(key, float(allowed), metrics)
        if checked:
            found.append(checked)
    found.extend(_baseline(metrics))
    return found


def _check(key: str, allowed: float, metrics: Mapping[str, Any]) -> Check | None:
    """One limit; None where it does not apply, such as labels' to free answers."""
    rule, limit, forms = RULES[key], LIMITS[key], metrics["forms"]

    def told(verdict: str, rung: str | None, value: float | None, why: str = "") -> Check:
        its = (key, limit.what, limit.unit, allowed, limit.most)
        return Check(*its, verdict, rung, value, why)

    last: Check | None = None
    row = 1 / metrics["rows"] if rule.rows else 0.0
    for name in rule.rungs:
        if name in metrics["not_measured"]:
            return told(UNKNOWN, name, None, f"{name} was not measured")
        value = rule.value(forms[name], metrics) if name in forms else None
        if value is None:
            continue
        over = value - allowed if limit.most else allowed - value
        if over <= 1e-9:
            last = told(KEPT, name, value)
        elif over < row and row > abs(allowed) > 0:
            return told(UNKNOWN, name, value, f"one of {metrics['rows']} rows is {row:.1%}")
        else:
            return told(BROKEN, name, value)
    return last


def _baseline(metrics: Mapping[str, Any]) -> Iterator[Check]:
    """Under the linear model a language model is not worth it; the user should know."""
    linear = metrics["baselines"].get("tfidf")
    shipped = "onnx" if "onnx" in metrics["forms"] else "adapter"
    if linear:
        value = metrics["forms"][shipped]["accuracy"] - linear["accuracy"]
        its = WARNING if value < 0 else KEPT
        what = "accuracy over TF-IDF with logistic regression (a warning only)"
        yield Check("over_tfidf", what, "points", 0.0, False, its, shipped, value)


def verdict(checks: list[Check]) -> ScaffoldError | None:
    """The one error that tells what is broken, which rung lost it, and what to try; or None."""
    broken = [found for found in checks if found.verdict == BROKEN]
    if not broken:
        return None
    first = min((MADE.index(found.rung or MADE[0]) for found in broken), default=0)
    rung = MADE[first]
    lines = "; ".join(describe(found) for found in broken)
    return ScaffoldError(
        f"The gate is broken, at the {rung} form: {lines}. The model is not released.",
        where="project.yaml: gate",
        fix=_try(rung, broken),
        exit_code=FAILED_RUN,
    )


def _try(rung: str, broken: list[Check]) -> str:
    keys = {found.key for found in broken if found.rung == rung}
    if "unfinished" in keys:
        return (
            "look at `stop` in that form's prompt.json and at eos_token_id in its "
            f"generation_config.json or genai_config.json; then {TRY[rung]}"
        )
    if keys <= {"size_mb", "tokens_per_second"}:
        return "the recipe `fast`: group_size 128 (fine-tuning/README.md: quantize)"
    return TRY[rung]


def describe(found: Check) -> str:
    """One check in a few words: ``accuracy_lost 12.0 points (at most 2.0), at merged``."""
    bound = f"{'at most' if found.most else 'at least'} {show(found.limit, found.unit)}"
    value = "" if found.value is None else f" {show(found.value, found.unit)}"
    where = f", at {found.rung}" if found.rung else ""
    return f"{found.key}{value} ({bound}){where}"
