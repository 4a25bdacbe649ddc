"""index.html: the results of a run, on one page that can be passed on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from phi3scaffold import __version__
from phi3scaffold.datasets.findings import findings, not_found
from phi3scaffold.evaluation.comparison_lines import row_notes
from phi3scaffold.evaluation.comparison_table import (
    FEW,
    FEW_ROWS,
    Table,
    baseline_scores,
    comparison_table,
)
from phi3scaffold.evaluation.estimate import UNKNOWN
from phi3scaffold.evaluation.gate import gate_error
from phi3scaffold.evaluation.release import LimitResult
from phi3scaffold.project.formatting import binary_size, count, duration, rate, visible
from phi3scaffold.project.settings import DEMONSTRATION
from phi3scaffold.reporting import (
    calibration_section,
    data_page,
    row_comparison,
    search_section,
)
from phi3scaffold.reporting.figures import curves, matrix, scores
from phi3scaffold.reporting.pages import render
from phi3scaffold.reporting.run_record import RunRecord
from phi3scaffold.reporting.training_settings import training_settings
from phi3scaffold.training.validation_history import describe_steps

if TYPE_CHECKING:
    from markupsafe import Markup

TASKS = {
    "classify": "gives a text one of {labels} labels",
    "qa": "answers questions",
    "chat": "holds conversations",
}
MOST_POINTS = 300  # of a loss curve; more than its picture has
MOST_MISTAKES = 10
TABLES = {  # caption -> columns
    "Quality": (
        *("accuracy", "exact_match", "correct_interval", "likelihood_accuracy", "rouge_l"),
        *("chrf", "macro_f1", "truncated_answers"),
    ),
    "Agreement with the adapter": (
        *("perplexity", "same_answer", "agreement", "mcnemar_p", "chrf_lost"),
        "other_prompt",
    ),
    "Language outside the task": ("neutral_loss",),
    "Speed and size": ("tokens_per_second", "first_token_seconds", "peak_bytes", "disk_bytes"),
}
VALIDATION, HELD_OUT = "validation", "held-out"  # losses
ADAPTERS = "adapters"  # the stage


def write(record: RunRecord, path: Path) -> None:
    """Write the page to `path`; the same `record` gives the same bytes."""
    metrics, checks = record.metrics, record.release.checks
    page = render(
        "report_page.html.j2",
        title=record.name,
        version=__version__,
        record=record,
        task=TASKS[metrics.task].format(labels=len(metrics.labels)),
        note=DEMONSTRATION if record.demonstration else "",
        facts=_facts(record),
        error=gate_error(checks, record.release.advice),
        unknown=[check.key for check in checks if check.verdict == UNKNOWN and check.holds_back],
        comparison=_comparison(record),
        few=FEW_ROWS if metrics.rows < FEW else "",
        few_rows=[
            f"{name} {note}" for name in metrics.compared for note in row_notes(metrics.forms[name])
        ],
        checks=[_check(check) for check in checks],
        search=search_section.section(record.search) if record.search else None,
        loss=_loss(record),
        training=_training(record),
        confusion=_confusion(record),
        calibration=calibration_section.section(metrics, record.best),
        compared=row_comparison.compare_rows(record),
        data_facts=data_page.facts(record.data),
        labels=data_page.labels(record.data),
        lengths=data_page.lengths(record.data),
        findings=findings(dict(record.data)),
        not_found=not_found(dict(record.data)),
        stages=_stages(record),
        settings=training_settings(record.config),
        versions=_versions(record),
        hashes=hashes(record),
    )
    path.write_text(page, encoding="utf-8", newline="\n")


def _facts(record: RunRecord) -> list[tuple[str, str]]:
    best = record.best
    keys = ("rouge_l", "accuracy", "exact_match", "tokens_per_second", "disk_bytes")
    table = comparison_table(record.metrics, keys)
    cells = [
        (f"{column.heading} ({best})", cell)
        for column, cell in zip(table.columns.values(), table.rows[best], strict=True)
    ]
    return [("held-out rows evaluated", count(record.metrics.rows)), *cells]


def _comparison(record: RunRecord) -> dict[str, Any]:
    metrics = record.metrics
    tables = [_table(caption, comparison_table(metrics, keys)) for caption, keys in TABLES.items()]
    drawn = []
    for name in metrics.compared:
        form = metrics.forms[name]
        low, high = form.correct_interval
        second = form.rouge_l if form.likelihood_accuracy is None else form.likelihood_accuracy
        drawn.append((name, form.correct, low, high, second))
    first, _, second_heading, *_ = [heading for heading, _ in tables[0]["legends"]]
    described = "; ".join(f"{name} {share:.1%}" for name, share, *_ in drawn)
    return {
        "picture": scores(drawn, baseline_scores(metrics), "Accuracy of the forms", described),
        "keys": [f"{first}, with its 95 % confidence interval", second_heading],
        "tables": tables,
    }


def _table(caption: str, table: Table) -> dict[str, Any]:
    """Return what the page shows of a table; a phone may break its longest words."""
    headings = " | ".join(table.headings)
    for word, broken in (("truncated", "trun\u00adcated"), ("likelihood", "likeli\u00adhood")):
        headings = headings.replace(word, broken)
    return {
        "caption": caption,
        "headings": headings.split(" | "),
        "lines": table.lines,
        "legends": table.legends,
    }


def _check(check: LimitResult) -> list[str | Markup]:
    from markupsafe import Markup

    at = f" at {check.form}" if check.form and check.measured else ""
    text = f"{check.text}: {visible(check.why)}" if check.why else check.text
    limit = Markup('<strong class="{}">{}</strong> <code>{}</code> {}').format(
        check.verdict, check.verdict, check.key, text
    )
    return [limit, f"{check.measured}{at}", check.range, check.allowed]


def losses(history: Sequence[Mapping[str, Any]]) -> dict[str, list[tuple[float, float]]]:
    """Return ``training`` and ``validation`` -> (step, loss); only finite numbers."""
    series = {}
    for name, key in (("training", "loss"), (VALIDATION, "eval_loss")):
        points = [
            (float(entry["step"]), float(entry[key]))
            for entry in history
            if isinstance(entry.get(key), int | float)
            and math.isfinite(entry[key])
            and "step" in entry
        ]
        if points:
            series[name] = points
    return series


def _loss(record: RunRecord) -> dict[str, Any] | None:
    """Return the picture; without a validation loss, with the held-out one of base and adapter."""
    series = losses(record.history)
    if not series:
        return None
    watched = VALIDATION in series
    last = max(step for points in series.values() for step, _ in points)
    ends = [
        (step, record.metrics.forms.get(name)) for name, step in (("base", 0.0), ("adapter", last))
    ]
    if not watched and all(form for _, form in ends):
        series[HELD_OUT] = [(step, math.log(form.perplexity)) for step, form in ends if form]
    described = "; ".join(
        f"{name}: {points[0][1]:.3g} at step {points[0][0]:.0f}, "
        f"{points[-1][1]:.3g} at step {points[-1][0]:.0f}"
        for name, points in series.items()
    )
    best = record.trained.get("best_step")
    marks = {f"best at {count(best)}": float(best)} if best else {}
    described = "; ".join([described, *marks])
    thinned = {name: _thinned(points) for name, points in series.items()}
    picture = curves(thinned, "step", "Training loss", described, joined=watched, marks=marks)
    return {
        "picture": picture,
        "keys": list(series),
        "watched": watched,
        "ends": HELD_OUT in series,
    }


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return at most `MOST_POINTS`, each the mean of as many neighbours."""
    size_of = -(-len(points) // MOST_POINTS)
    groups = [points[start : start + size_of] for start in range(0, len(points), size_of)]
    return [
        (sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group))
        for group in groups
    ]


def _training(record: RunRecord) -> list[tuple[str, str]]:
    facts = record.trained
    rows = [("algorithm", record.config.algo), ("length", describe_steps(facts))]
    if facts.get("best_step"):
        kept = f"of step {count(facts['best_step'])}, the lowest validation loss"
        rows.append(("adapter", f"{kept}: {facts['validation_loss']:.3f}"))
    if facts.get("early_stopping_off"):
        rows.append(("early stopping", f"off: {facts['early_stopping_off']}"))
    seconds = facts.get("train_seconds")
    if seconds:
        rows.append(("time", duration(seconds)))
        rows.append(("tokens/s", rate((facts.get("tokens") or 0) / seconds)))
    return rows


def _confusion(record: RunRecord) -> dict[str, Any] | None:
    """Return the picture and tables of the form that ships, by its generated answers."""
    if not record.metrics.is_classification:
        return None
    table, rows, columns = row_comparison.confusion(record)
    mistakes = row_comparison.mistakes(table, rows, columns)
    described = "; ".join(f"{one.expected} as {one.answered}: {one.rows}" for one in mistakes[:5])
    by_label = []
    for number, (label, line) in enumerate(zip(rows, table, strict=True)):
        own, rows_of = line[number], sum(line)
        share = f"{own / rows_of:.1%}" if rows_of else ""
        by_label.append((label, count(rows_of), count(own), share))
    most = row_comparison.MOST_LABELS
    if len(rows) > most:
        worst = [(table[n][n] / max(1, sum(table[n])), n) for n in range(len(rows))]
        by_label = [by_label[number] for _, number in sorted(worst)[:most]]
    drawn = row_comparison.fewer(table, rows, columns)
    return {
        "picture": matrix(*drawn, "Confusion matrix", described or "no mistakes"),
        "left_out": len(rows) - len(drawn[1]),
        "mistakes": [(one.expected, one.answered, count(one.rows)) for one in mistakes],
        "most": MOST_MISTAKES,
        "by_label": by_label,
    }


def _stages(record: RunRecord) -> list[tuple[str, str, str]]:
    return [
        (name, duration(stage.seconds), binary_size(stage.peak_bytes) if stage.peak_bytes else "")
        for name, stage in record.stages.items()
    ]


def _versions(record: RunRecord) -> list[tuple[str, str]]:
    versions: dict[str, str] = {}
    for stage in record.stages.values():
        versions |= {name: version for name, version in stage.versions.items() if version}
    return sorted(versions.items())


def hashes(record: RunRecord) -> list[tuple[str, str]]:
    """Return the sha256 of every file that was read, and over each folder that was published."""
    sums: dict[str, str] = {}
    for stage in record.stages.values():
        elsewhere: list[PurePath] = []
        for name, sha in stage.inputs.items():
            if name == "settings" or name.startswith("stage:"):
                continue
            file = PurePath(name)
            if file.is_absolute():  # by its name: where it lies is nobody's business
                if file.parent not in elsewhere:
                    elsewhere.append(file.parent)
                number = elsewhere.index(file.parent) + 1
                whose = (
                    f"adapter {number} from elsewhere" if stage.stage == ADAPTERS else "base model"
                )
                name = f"{whose}: {file.name}"
            sums[name] = sha
    for name, stage in record.stages.items():
        timed = " (with times)" if name in record.timed else ""
        sums[f"output of {name}{timed}"] = stage.content
    return list(sums.items())
