"""The tables of tests/benchmarks/quantization.py, from its results: a row a kind of cell."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

WAYS = {
    "nf4": "merged into the NF4 base",
    "original": "merged into the original weights",
    "adapter": "adapter in float beside an int4 base",
    "trained": "*the trained adapter*",
}
#: Heading -> (key, the number as shown).
COLUMNS: dict[str, tuple[str, Callable[[float], str]]] = {
    "accuracy %": ("exact_match", lambda x: f"{100 * x:.1f}"),
    "perplexity": ("perplexity", lambda x: f"{x:.4f}"),
    "KL, 10^-3 nats": ("kl_divergence", lambda x: f"{1000 * x:.2f}"),
    "MB": ("bytes", lambda x: f"{x / 1e6:.2f}"),
    "tokens/s": ("tokens_per_second", lambda x: f"{x:.0f}"),
    "build s": ("build_seconds", lambda x: f"{x:.1f}"),
    "build GiB": ("build_peak_bytes", lambda x: f"{x / 2**30:.2f}"),
}


def write_table(results: Path, out: Path) -> None:
    """Write every table there are results for."""
    cells = [json.loads(path.read_text()) for path in sorted(results.glob("*.json"))]
    parts = []
    for model in dict.fromkeys(cell["model"] for cell in cells):
        for algo, title in (("lora", "LoRA, merged"), ("qlora", "QLoRA")):
            mine = [cell for cell in cells if (cell["model"], cell["algo"]) == (model, algo)]
            if mine:
                seeds = len({cell["seed"] for cell in mine})
                head = f"### `{model}`, {title}: {seeds} seeds, {mine[0]['rows']} rows"
                parts.append("\n".join([head, "", *_rows(mine, algo, seeds)]))
    out.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _rows(cells: list[dict[str, Any]], algo: str, seeds: int) -> list[str]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for cell in cells:
        way, quantizer = WAYS[cell["way"]], cell.get("quantizer", "")
        named = quantizer if algo == "lora" and quantizer else f"{way}; {quantizer}".strip("; ")
        groups.setdefault(named, []).append(cell)
    ordered = sorted(groups, key=lambda name: _median(groups[name], "kl_divergence"))
    lines = [f"| | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name in ordered:
        fewer = len(groups[name]) < seeds
        title = name + (f" ({len(groups[name])} of the seeds)" if fewer else "")
        errors = [cell["error"] for cell in groups[name] if "error" in cell]
        if errors:
            lines.append(f"| {title} | does not run: {errors[0]} |" + " |" * (len(COLUMNS) - 1))
        else:
            shown = [_shown(groups[name], key, show) for key, show in COLUMNS.values()]
            lines.append(f"| {title} | {' | '.join(shown)} |")
    return lines


def _median(cells: list[dict[str, Any]], key: str) -> float:
    """For the order: the trained adapter first, what does not run last."""
    if any("error" in cell for cell in cells):
        return float("inf")
    return statistics.median(cell.get(key) or -1.0 for cell in cells)


def _shown(cells: list[dict[str, Any]], key: str, show: Callable[[float], str]) -> str:
    """The median, and in brackets the least and the most where they look different."""
    values = sorted(cell[key] for cell in cells if cell.get(key) is not None)
    if not values:
        return ""
    least, middle, most = (show(x) for x in (values[0], statistics.median(values), values[-1]))
    return middle if least == most else f"{middle} ({least}..{most})"
