"""The last stage of a run: what was made and how good it is, as a page and as a model card.

It also runs when the gate is broken, and says so.
"""

from __future__ import annotations

from typing import Any

from phi3scaffold.pipeline.stage import Context, Inputs, Stage
from phi3scaffold.project.layout import MODEL_CARD, PAGE
from phi3scaffold.project.settings import Project

BEFORE = (
    *("tokenizer", "data", "model", "finetune", "merge", "export"),
    *("adapters", "evaluate", "gate"),
)


def inputs(project: Project) -> Inputs:
    return Inputs(
        files=(project.olive_config, project.dataset_yaml, project.lock),
        settings={"name": project.root.name, "local": project.local},
    )


def run(context: Context) -> dict[str, Any]:
    """Write index.html and MODEL_CARD.md."""
    from phi3scaffold.reporting import model_card, report_page, run_record
    from phi3scaffold.stages.graph import STAGES

    project = context.project
    folders = {
        name: STAGES[name].folder(project) for name in BEFORE if STAGES[name].wanted(project)
    }
    found = run_record.read(project, folders)
    report_page.write(found, context.out / PAGE)
    model_card.write(found, context.out / MODEL_CARD)
    return {"page": PAGE}


STAGE = Stage(
    name="report",
    title="writing the report",
    folder=lambda project: project.report,
    inputs=inputs,
    run=run,
    after=BEFORE,
    packages=("matplotlib", "jinja2", "huggingface-hub"),
)
