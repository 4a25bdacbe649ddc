"""The verdict on a run: whether the metrics are within the limits of project.yaml.

Only a model that passes every limit is marked as released. A limit that changes is checked again
without measuring anything again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from typing import Any

from phi3scaffold.datasets.prepared_rows import HELD_OUT, file_of
from phi3scaffold.evaluation import gate
from phi3scaffold.evaluation.advice import advise
from phi3scaffold.evaluation.comparison_lines import gate_lines
from phi3scaffold.evaluation.limits import project_limits
from phi3scaffold.evaluation.metrics import Metrics
from phi3scaffold.evaluation.release import Release, looks_remark
from phi3scaffold.evaluation.training_outcome import TrainingOutcome
from phi3scaffold.pipeline import manifest
from phi3scaffold.pipeline.stage import Context, Facts, Inputs, Stage, Tracking
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.files import read_json, try_json, write_json
from phi3scaffold.project.formatting import ordinal
from phi3scaffold.project.layout import HISTORY, METRICS, RELEASE
from phi3scaffold.project.olive_config import project_config
from phi3scaffold.project.settings import Project
from phi3scaffold.project.training_plan import training_plan

FRESH_ROWS = "hold out fresh rows for the last one (files.held_out in datasets/dataset.yaml)"


def inputs(project: Project) -> Inputs:
    settings = {"accuracy_required": True} if project.accuracy_required else {}
    return Inputs(settings={**project_limits(project), **settings})


def check(project: Project) -> None:
    """Refuse a wrong limit before any stage runs."""
    project_limits(project)


def run(context: Context) -> Facts:
    """Write release.json: whether the model is released, which one it is, and every check."""
    project = context.project
    text = (project.evaluation / METRICS).read_bytes()
    metrics = Metrics.from_json(json.loads(text))
    results = gate.check_limits(
        metrics,
        project_limits(project),
        accuracy_required=project.accuracy_required,
    )
    onnx = manifest.read(project.onnx)
    metrics_sha = hashlib.sha256(text).hexdigest()
    release = Release(
        released=gate.is_released(results),
        model=onnx.content if onnx else None,
        metrics=metrics_sha,
        demonstration=project.is_demonstration,
        checks=results,
    )
    outcome = _outcome(project)
    release.remarks += [*filter(None, [looks_remark(metrics)]), *outcome.remarks]
    failed = gate.first_failure(results)
    if failed:
        release.advice = advise(failed, project, project_config(project), outcome, metrics)
    release.rows, release.verdicts = _verdicts(project, release.model or metrics_sha)
    if release.number > 1:
        release.remarks.append(
            f"{ordinal(release.number).capitalize()} verdict on these held-out rows: a choice by "
            f"what they said makes them look too good; {FRESH_ROWS}."
        )
    values = release.to_json()
    write_json(context.out / RELEASE, values)
    return values


def _outcome(project: Project) -> TrainingOutcome:
    trained = manifest.read(project.adapter)
    history: Any = []
    with contextlib.suppress(ScaffoldError, OSError):
        history = read_json(project.adapter / HISTORY)
    rate = project_config(project).training_arguments.get("learning_rate")
    facts = trained.facts if trained else {}
    return TrainingOutcome.of(
        facts, history, training_plan(project), rate if isinstance(rate, float) else None
    )


def _verdicts(project: Project, model: str) -> tuple[str, dict[str, list[str]]]:
    """Return the hash of the held-out rows, and which models were judged by which rows.

    A model that was judged by them before, under other limits, is judged by the same look.
    """
    published = manifest.read(project.rows)
    file = published.files.get(file_of(HELD_OUT)) if published else None
    rows = file.sha256 if file else ""
    verdicts = dict(try_json(project.release / RELEASE).get("verdicts") or {})
    others = [one for one in verdicts.get(rows, ()) if one != model]
    return rows, verdicts | ({rows: [*others, model]} if rows else {})


def judge(facts: Facts) -> ScaffoldError | None:
    release = Release.from_json(facts)
    return gate.gate_error(release.checks, release.advice)


STAGE = Stage(
    name="gate",
    title="checking the release thresholds",
    folder=lambda project: project.release,
    inputs=inputs,
    run=run,
    after=("export", "evaluate"),
    judge=judge,
    check=check,
    summary=lambda facts: None,
    details=lambda project, facts: gate_lines(Release.from_json(facts)),
    tracking=Tracking(
        tags=lambda facts, folder: {"released": str(facts.get("released")).lower()},
        files=(RELEASE,),
    ),
    is_timed=True,
)
