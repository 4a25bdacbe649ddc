"""`phi3scaffold evaluate`: base, adapter, merged and ONNX form measured on the held-out rows."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phi3scaffold.conversion.form_files import size_of
from phi3scaffold.datasets.prepared_rows import VALIDATION, has_validation
from phi3scaffold.datasets.token_counts import token_counts
from phi3scaffold.evaluation.comparison_lines import comparison_lines
from phi3scaffold.evaluation.evaluated_rows import EvaluatedRow, write_rows
from phi3scaffold.evaluation.evaluation_set import EvaluationSet
from phi3scaffold.evaluation.gate import check_limits, is_decided
from phi3scaffold.evaluation.limits import project_limits
from phi3scaffold.evaluation.metrics import FormMetrics, Metrics
from phi3scaffold.inference.calibration import FILE as CALIBRATION
from phi3scaffold.inference.calibration import LabelCalibration, save
from phi3scaffold.inference.forms.kinds import COMPARED, folder_of
from phi3scaffold.pipeline import manifest
from phi3scaffold.pipeline.stage import Context, Facts, Inputs, Resources, Stage, Tracking, Work
from phi3scaffold.project.files import write_json
from phi3scaffold.project.layout import ANSWERS, METRICS
from phi3scaffold.project.settings import Project
from phi3scaffold.stages.measured_memory import GIB, memory_for

if TYPE_CHECKING:
    from phi3scaffold.evaluation.baselines import BaselineAnswers
    from phi3scaffold.evaluation.comparison import Comparison

# In the order of measuring: the adapter first, since the others are compared with it.
FORMS = ("adapter", "base", "merged", "onnx", "onnx-adapter")


def inputs(project: Project) -> Inputs:
    return Inputs(
        settings={
            "rows": project.evaluate_rows,
            "minutes": project.evaluate_minutes,
            "forms": FORMS,
            "swapped": _own(project),
        }
    )


def _own(project: Project) -> str | None:
    """Return the name of this project's adapter over the ONNX base, if it is there."""
    return next((name for name, folder in project.adapters if folder == project.adapter), None)


def run(context: Context) -> dict[str, Any]:
    """Write metrics.json (see `Metrics`) and answers.jsonl (a row a line)."""
    from phi3scaffold.datasets.spec import load_spec
    from phi3scaffold.evaluation.baselines import compute_baselines
    from phi3scaffold.evaluation.comparison import compare_forms
    from phi3scaffold.evaluation.evaluation_set import (
        MOST_ROWS,
        sample_held_out,
        sample_rows,
        shuffled,
    )
    from phi3scaffold.evaluation.measurement import Candidate
    from phi3scaffold.inference.forms.genai import missing_provider

    project = context.project
    rows = project.rows
    spec = load_spec(project.dataset_yaml)
    dataset = sample_held_out(rows, spec, project.evaluate_rows or MOST_ROWS)
    validation = None
    if dataset.labels and has_validation(rows):
        validation = shuffled(sample_rows(rows, spec, MOST_ROWS, VALIDATION), dataset.labels)
    missing = missing_provider(project.onnx)
    absent = ["onnx", "onnx-adapter"] if missing else []
    if _own(project) is None:
        absent.append("onnx-adapter")
    candidates = [
        Candidate(name, project, adapter=_own(project) if name == "onnx-adapter" else None)
        for name in FORMS
        if name not in absent
    ]
    limits = project_limits(project)

    def finished(comparison: Comparison) -> Metrics:
        baselines = compute_baselines(rows, comparison.dataset)
        comparison.estimate(baselines)
        return _metrics(project, spec.task, comparison, baselines, missing)

    comparison = compare_forms(
        candidates,
        dataset,
        context.emit,
        context.partial,
        context.log,
        seconds=project.evaluate_seconds,
        is_decided=lambda so_far: is_decided(
            check_limits(finished(so_far), limits, accuracy_required=project.accuracy_required)
        ),
        validation=validation,
    )
    if validation is not None:
        comparison.calibrate(validation)
        write_calibrations(project, context.out, comparison.dataset, comparison.forms)
    metrics = finished(comparison).to_json()
    write_json(context.out / METRICS, metrics)
    write_rows(context.out / ANSWERS, evaluated_rows(comparison.dataset, comparison.answers))
    return metrics


def _metrics(
    project: Project,
    task: str,
    comparison: Comparison,
    baselines: Mapping[str, BaselineAnswers],
    missing: str | None,
) -> Metrics:
    from phi3scaffold.pipeline.environment import physical_cores

    dataset, forms = comparison.dataset, comparison.forms
    for name, form in forms.items():
        form.disk_bytes = disk_bytes(project, name)
    cores = physical_cores()
    return Metrics(
        task=task,
        model=project.model_id,
        rows=len(dataset.rows),
        held_out=dataset.held_out,
        demonstration=project.is_demonstration,
        measured=date.today().isoformat(),
        machine=f"{platform.system()} {platform.machine()}, {cores} cores, "
        f"Python {platform.python_version()}",
        labels=list(dataset.labels),
        forms={name: forms[name] for name in COMPARED if name in forms},
        baselines={name: one.metrics for name, one in baselines.items()},
        questions=len(set(comparison.groups)),
        not_measured={"onnx": f"built for {missing}, which is not here"} if missing else {},
        looks=list(comparison.looks) if len(comparison.looks) > 1 else [],
        look=comparison.look,
    )


def write_calibrations(
    project: Project, out: Path, dataset: EvaluationSet, forms: Mapping[str, FormMetrics]
) -> None:
    """Write what gives the labels of each form their probabilities: for all, and beside each."""
    found: dict[str, LabelCalibration] = {}
    for name, metrics in forms.items():
        its, record = metrics.calibration, manifest.read(folder_of(name, project))
        if its is None:
            continue
        found[name] = LabelCalibration(
            labels=dataset.labels,
            ids=dataset.label_ids,
            temperature=its.temperature,
            threshold=its.threshold,
            content=record.content if record else None,
            adapter=_own(project) if name == "onnx-adapter" else None,
        )
    save(out / CALIBRATION, found)
    for name, one in found.items():
        save(folder_of(name, project) / CALIBRATION, {name: one})


def evaluated_rows(
    dataset: EvaluationSet, answers: dict[str, dict[int, str]]
) -> Iterator[EvaluatedRow]:
    """Yield every row with the answer of each form that answered it."""
    for index, row in enumerate(dataset.rows):
        those = [name for name in COMPARED if index in answers.get(name, {})]
        own = {name: answers[name][index] for name in those}
        yield EvaluatedRow(row.place, row.answer.strip(), own)


def disk_bytes(project: Project, form: str) -> int:
    """Return the size of the files that a form needs to answer; an adapter needs its base, too."""
    needed = ["base", "adapter"] if form == "adapter" else [form]
    return sum(size_of(folder_of(name, project)) for name in needed)


TRACKED = (
    *("accuracy", "macro_f1", "likelihood_accuracy", "exact_match", "rouge_l", "chrf"),
    *(
        "perplexity",
        "truncated_answers",
        "agreement",
        "tokens_per_second",
        "peak_bytes",
        "disk_bytes",
    ),
)


def tracked_metrics(facts: Facts) -> Facts:
    """Return how many rows there are, and the metrics of every form by form/metric."""
    forms = facts.get("forms") or {}
    return facts | {
        f"{form}/{name}": values.get(name) for form, values in forms.items() for name in TRACKED
    }


def work(project: Project, weights: int) -> Work:
    """Return what measuring the forms takes, by the held-out rows."""
    from phi3scaffold.datasets.spec import load_spec
    from phi3scaffold.evaluation.evaluation_work import evaluation_work

    forms = [form for form in FORMS if form != "onnx-adapter" or _own(project)]
    return evaluation_work(
        token_counts(project),
        forms,
        project.evaluate_rows,
        project.evaluate_seconds,
        has_labels=bool(load_spec(project.dataset_yaml).labels),
        weights=weights,
    )


PEAK = 3.3 * GIB  # bytes at most, with a Phi-3-mini

STAGE = Stage(
    name="evaluate",
    title="evaluating every form on the held-out rows",
    folder=lambda project: project.evaluation,
    inputs=inputs,
    run=run,
    after=("data", "model", "finetune", "merge", "export", "adapters"),
    packages=("torch", "transformers", "peft", "onnxruntime", "onnxruntime-genai", "scikit-learn"),
    resources=Resources(memory=lambda project, weights: memory_for(weights, PEAK), work=work),
    verb_ends_at="report",
    details=lambda project, facts: comparison_lines(Metrics.from_json(facts)),
    tracking=Tracking(metrics=tracked_metrics, files=(METRICS,), starts_run=True),
    is_timed=True,
)
