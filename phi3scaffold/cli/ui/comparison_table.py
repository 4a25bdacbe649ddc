"""The ladder and its gate as lines of at most 80 columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from phi3scaffold.inference.forms.kinds import COMPARED
from phi3scaffold.project.formatting import binary_size, decimal_size, perplexity, rate
from phi3scaffold.project.limits import show

HEAD = "  {:<13}{:>6}  {:<10}{:>7}{:>7}{:>9}{:>6}{:>9}{:>8}"
FEW = 30  # rows; below that nothing is certain


def ladder(metrics: Mapping[str, Any]) -> list[str]:
    """One line a form: what is right (with its 95 % interval), scored, agreed, and what it costs.

    Args:
        metrics: what the evaluation wrote; {} gives no lines.
    """
    if not metrics:
        return []
    rows = metrics["rows"]
    lines = [f"answers to {rows} of {metrics['held_out']} held-out rows"]
    classes = bool(metrics["labels"])
    right = "right" if classes else "exact"
    scored = "scored" if classes else "ROUGE-L"
    lines.append(
        HEAD.format("", right, "95 %", scored, "agrees", "perplex.", "tok/s", "memory", "disk")
    )
    forms = metrics["forms"]
    for name in COMPARED:
        if name in forms:
            lines.append(_line(name, forms[name]))
            lines.extend(_remarks(forms[name]))
        elif name in metrics["not_measured"]:
            lines.append(f"  {name:<13}not measured: {metrics['not_measured'][name]}")
    lines.extend(_baselines(metrics["baselines"]))
    if rows < FEW:
        lines.append(f"  {rows} rows are too few to tell forms apart; the intervals say how few")
    return lines


def _line(name: str, rung: Mapping[str, Any]) -> str:
    kind = "accuracy" if "accuracy" in rung else "exact_match"
    low, high = rung[f"{kind}_interval"]
    scored = rung.get("likelihood_accuracy", rung.get("rouge_l"))
    agrees = "" if "agreement" not in rung or name == "base" else f"{rung['agreement']:.1%}"
    return HEAD.format(
        name,
        f"{rung[kind]:.1%}",
        f"{100 * low:.1f}-{100 * high:.1f}",
        f"{scored:.1%}",
        agrees,
        perplexity(rung["perplexity"]),
        rate(rung["tokens_per_second"]),
        binary_size(rung["peak_bytes"]),
        decimal_size(rung["disk_bytes"]),
    ).rstrip()


def _remarks(rung: Mapping[str, Any]) -> list[str]:
    """What only needs saying where it is not nothing."""
    told = {
        "invalid": "no label",
        "unfinished": "never end",
        "other_prompt": "of the prompts tokenized otherwise",
    }
    found = [f"{rung[key]:.1%} {what}" for key, what in told.items() if rung.get(key)]
    return [f"  {'':<13}{', '.join(found)}"] if found else []


def _baselines(baselines: Mapping[str, Any]) -> list[str]:
    if not baselines:
        return []
    majority = baselines["majority"]
    told = f"  without a model: {majority['accuracy']:.1%} always {majority['label']!r}"
    if "tfidf" in baselines:
        told += f", {baselines['tfidf']['accuracy']:.1%} TF-IDF + logistic regression"
    return [told]


def gate(release: Mapping[str, Any]) -> list[str]:
    """One line a limit, kept or broken, and whether the model is released."""
    if not release:
        return []
    lines = []
    for check in release["checks"]:
        bound = "at most" if check["most"] else "at least"
        value = "-" if check["value"] is None else show(check["value"], check["unit"])
        limit = f"{bound} {show(check['limit'], check['unit'])}"
        where = check["why"] or (f"at {check['rung']}" if check["verdict"] != "kept" else "")
        lines.append(f"  {check['verdict']:<8}{check['key']:<18}{value:>13}  {limit:<22}{where}")
    verdict = "released" if release["released"] else "not released"
    return [f"gate: {verdict}", *(line.rstrip() for line in lines)]
