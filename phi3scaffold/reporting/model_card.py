"""MODEL_CARD.md: the same run as the report page, in the format of the Hugging Face hub."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from phi3scaffold import __version__
from phi3scaffold.evaluation.comparison_table import FEW, baseline_scores, comparison_table
from phi3scaffold.evaluation.gate import gate_error
from phi3scaffold.evaluation.metrics import Metrics
from phi3scaffold.evaluation.release import LimitResult
from phi3scaffold.project.settings import DEMONSTRATION
from phi3scaffold.reporting import cards, report_page
from phi3scaffold.reporting.run_record import RunRecord
from phi3scaffold.reporting.training_settings import training_settings

CARD = "MODEL_CARD.md"
RUN = "## How to run it"  # the section of the card that `publish` replaces
OWN_ROWS = "own-rows"  # the type of a data set that has no id on the hub
COLUMNS = (
    *("accuracy", "exact_match", "correct_interval", "likelihood_accuracy", "rouge_l"),
    *(
        "chrf",
        "chrf_lost",
        "same_answer",
        "agreement",
        "perplexity",
        "tokens_per_second",
        "disk_bytes",
    ),
)


def write(record: RunRecord, path: Path) -> None:
    """Write the card; the same `record` gives the same bytes."""
    from huggingface_hub import ModelCard

    metrics, checks = record.metrics, record.release.checks
    table = comparison_table(metrics, COLUMNS)
    cards.write(
        ModelCard,
        metadata(record),
        "model_card.md.j2",
        path,
        record=record,
        run=RUN,
        origin=origin(record.sources),
        version=__version__,
        demonstration=DEMONSTRATION.capitalize(),
        task=report_page.TASKS[metrics.task].format(labels=len(metrics.labels)),
        error=gate_error(checks, record.release.advice),
        settings=_two("setting", "value", training_settings(record.config)),
        comparison=cards.table(table.headings, table.lines),
        legend=" ".join(f"{heading}: {legend}." for heading, legend in table.legends),
        baselines=list(baseline_scores(metrics)),
        gate=cards.table(
            ("limit", "result", "measured", record.release.interval_heading, "allowed"),
            [_check(c) for c in checks],
            numbers=False,
        ),
        few=metrics.rows < FEW,
        one_column=record.columns == 1,
        hashes=_two("file or folder", "sha256", report_page.hashes(record)),
    )


def origin(sources: Sequence[str]) -> str:
    """Return a sentence on the hub's data sets that the rows came from; empty where from none."""
    named = ", ".join(map(cards.plain, sources))
    return f" The rows come from {named}." if named else ""


def metadata(record: RunRecord) -> Any:
    """Return the card's YAML: a ModelCardData with the best form's results."""
    from huggingface_hub import ModelCardData

    eval_results = results(
        record.metrics,
        record.best,
        dataset_type=record.sources[0] if record.sources else OWN_ROWS,
        dataset_name=f"held-out rows of {record.name}",
    )
    return ModelCardData(
        model_name=re.sub(r"[^\w.-]+", "-", record.name).strip("-") or "model",
        license=record.licence.id or None,
        base_model=record.hub_id,
        datasets=list(record.sources) or None,
        pipeline_tag="text-generation",
        tags=[
            *(record.family, "olive", "onnx", "onnxruntime-genai", "phi3scaffold"),
            *(record.config.algo.lower(), record.config.precision),
            *(["demonstration"] if record.demonstration else []),
        ],
        metrics=[result.metric_type for result in eval_results],
        eval_results=eval_results,
    )


def results(metrics: Metrics, form: str, *, dataset_type: str, dataset_name: str) -> list[Any]:
    """Return the metrics of one form as a list of EvalResult.

    Args:
        metrics: of the run.
        form: one that was measured.
        dataset_type: what the rows are, a data set's id where they have one.
        dataset_name: the same for people.
    """
    from huggingface_hub import EvalResult

    own, classes = metrics.forms[form], metrics.is_classification
    values = {
        "perplexity": ("Perplexity", own.perplexity),
        "accuracy": ("Accuracy", own.accuracy),
        "f1": ("Macro F1", own.macro_f1),
        "exact_match": ("Exact match", own.exact_match),
        "rouge": ("ROUGE-L", own.rouge_l),
        "chrf": ("chrF", own.chrf),
    }
    return [
        EvalResult(
            task_type="text-classification" if classes else "text-generation",
            dataset_type=dataset_type,
            dataset_name=dataset_name,
            dataset_split="held_out",
            metric_type=kind,
            metric_name=f"{name} ({form})",
            metric_value=value,
        )
        for kind, (name, value) in sorted(values.items())
        if value is not None
    ]


def _check(check: LimitResult) -> tuple[str, ...]:
    at = f" at {check.form}" if check.form else ""
    verdict = f"{check.verdict}{cards.plain(check.why and ', ' + check.why)}"
    return (f"`{check.key}`", verdict, f"{check.measured}{at}", check.range, check.allowed)


def _two(first: str, second: str, pairs: list[tuple[str, str]]) -> str:
    rows = [(cards.plain(n), cards.plain(v)) for n, v in pairs]
    return cards.table((first, second), rows, numbers=False)
