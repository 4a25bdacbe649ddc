"""The last stage of a run: its results as a page and as a model card.

It also runs when the gate fails, and shows that.
"""

from __future__ import annotations

import re
from pathlib import Path

from phi3scaffold.evaluation import search_record
from phi3scaffold.pipeline.stage import (
    EARLIER,
    Context,
    Facts,
    Inputs,
    Resources,
    Stage,
    Tracking,
    Work,
)
from phi3scaffold.project.formatting import from_here
from phi3scaffold.project.layout import MODEL_CARD, PAGE
from phi3scaffold.project.settings import Project

NOTE = 5000  # letters of a run's description in MLflow


def inputs(project: Project) -> Inputs:
    """Return what the page tells besides the stages' results."""
    search = project.search / search_record.FILE
    return Inputs(
        files=(
            *(project.olive_config, project.dataset_yaml, project.lock),
            *([search] if search.is_file() else []),
        ),
        settings={"name": project.root.name, "local": project.leaves_target},
    )


def run(context: Context) -> Facts:
    from phi3scaffold.reporting import model_card, report_page, run_record

    folders = {stage.name: context.upstream(stage.name) for stage in context.reads}
    timed = frozenset(stage.name for stage in context.reads if stage.is_timed)
    record = run_record.read_run(context.project, folders, timed)
    report_page.write(record, context.out / PAGE)
    model_card.write(record, context.out / MODEL_CARD)
    return {"page": PAGE}


def tags(facts: Facts, folder: Path) -> dict[str, str]:
    """Return what MLflow shows of a run first: the model card's verdict and evaluation."""
    card = (folder / MODEL_CARD).read_text(encoding="utf-8")
    verdict = re.findall(r"^\*\*\w.*\n", card, re.M)
    evaluation = re.search(r"^## Evaluation\n(.*?)(?=^## |\Z)", card, re.M | re.S)
    text = "\n".join([*verdict, evaluation[1].strip() if evaluation else ""])
    return {"mlflow.note.content": text[:NOTE].strip()}


def details(project: Project, facts: Facts) -> list[str]:
    """Return where the page is; nothing where a job wrote it and nobody has fetched it."""
    page = project.report / PAGE
    return [f"report: {from_here(page)}"] if page.is_file() else []


STAGE = Stage(
    name="report",
    title="writing the report",
    folder=lambda project: project.report,
    inputs=inputs,
    run=run,
    after=(EARLIER,),
    packages=("matplotlib", "jinja2", "huggingface-hub"),
    resources=Resources(work=lambda project, weights: Work(starts=0.1, seconds=0.5)),
    summary=lambda facts: None,
    details=details,
    tracking=Tracking(tags=tags, files=(PAGE, MODEL_CARD)),
)
