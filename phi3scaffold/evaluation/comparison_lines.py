"""The comparison of model forms and the gate as lines of at most 80 columns."""

from __future__ import annotations

from phi3scaffold.evaluation.comparison_table import (
    COLUMNS,
    FEW,
    FEW_ROWS,
    baseline_scores,
    comparison_table,
)
from phi3scaffold.evaluation.estimate import PASSED
from phi3scaffold.evaluation.metrics import FormMetrics, Metrics
from phi3scaffold.evaluation.release import Release
from phi3scaffold.project.formatting import ordinal

WIDTHS = {  # of the columns shown; the interval stands left of its column
    "accuracy": 9,
    "exact_match": 9,
    "correct_interval": 10,
    "likelihood_accuracy": 8,
    "rouge_l": 8,
    "agreement": 7,
    "perplexity": 9,
    "tokens_per_second": 6,
    "peak_bytes": 9,
    "disk_bytes": 8,
}
# What has no room in a column of its own -> what heads its line.
BELOW = {"chrf": "chrF", "neutral_loss": "neutral text, nats a token"}
REMARKS = ("invalid", "truncated_answers", "other_prompt")  # shown where they are above zero


def comparison_lines(metrics: Metrics) -> list[str]:
    """Return a line a form: accuracy and its interval, agreement, speed and sizes."""
    lines = [f"comparison on {metrics.rows} of {metrics.held_out} held-out rows"]
    table = comparison_table(metrics, WIDTHS)
    lines.append(
        _line("", {key: column.short or column.heading for key, column in table.columns.items()})
    )
    for name, cells in table.rows.items():
        lines.append(_line(name, dict(zip(table.columns, cells, strict=True))))
        lines.extend(_remarks(metrics.forms[name]))
    lines += [
        f"  {name:<11}not measured: {why}"
        for name, why in metrics.not_measured.items()
        if name not in table.rows
    ]
    for key, heading in BELOW.items():
        shown = {name: COLUMNS[key].cell(metrics.forms[name]) for name in metrics.compared}
        values = [f"{name} {cell}" for name, cell in shown.items() if cell]
        if values:
            lines.append(f"  {heading}: {', '.join(values)}")
    baselines = ", ".join(baseline_scores(metrics))
    if baselines:
        lines.append(f"  without a language model: {baselines}")
    if metrics.rows < FEW:
        lines.append(f"  {FEW_ROWS}")
    return lines


def _line(name: str, cells: dict[str, str]) -> str:
    parts = [
        f"  {cell:<{WIDTHS[key]}}" if key == "correct_interval" else f"{cell:>{WIDTHS[key]}}"
        for key, cell in cells.items()
    ]
    return f"{name:<12}{''.join(parts)}".rstrip()


def _remarks(form: FormMetrics) -> list[str]:
    remarks = [
        f"{COLUMNS[key].cell(form)} {COLUMNS[key].heading}" for key in REMARKS if getattr(form, key)
    ]
    remarks += row_notes(form)
    return [f"{'':<12}  {', '.join(remarks)}"] if remarks else []


def row_notes(form: FormMetrics) -> list[str]:
    """Return on which rows a form was measured, where these were not all."""
    notes = []
    if form.broken:
        notes.append(f"broken, as {form.rows} rows show; the others were not measured")
    elif form.rows:
        notes.append(f"on {form.rows} rows: enough to tell it from the adapter")
    if form.alike_rows:
        notes.append(f"like the adapter, as the logits of {form.alike_rows} rows show")
    return notes


def gate_lines(release: Release) -> list[str]:
    """Return whether the model is released, and a line or two a limit."""
    number = ordinal(release.number)
    which = f" ({number} verdict on these held-out rows)" if release.number else ""
    lines = [f"gate: {'released' if release.released else 'not released'}{which}"]
    for check in release.checks:
        value = check.measured or "-"
        where = "" if check.verdict == PASSED or not check.form else f"at {check.form}"
        parts = (check.range and f"({check.range})", where)
        lines.append(
            f"  {check.verdict:<8}{check.key:<18}{value:>13}  {check.allowed:<22}"
            f"{' '.join(filter(None, parts))}".rstrip()
        )
        if check.why:
            lines.append(f"          {check.why}")
    return [*lines, *(f"  note: {remark}" for remark in release.remarks)]
