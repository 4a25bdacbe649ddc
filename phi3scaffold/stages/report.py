"""The last stage of a run: what was made and how good it is, as a page and as a model card.

It also runs when the gate is broken, and says so.
"""

from __future__ import annotations

from typing import Any

from phi3scaffold.project import Project
from phi3scaffold.runtime.pipeline.stage import Context, Inputs, Stage

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
    from phi3scaffold.runtime.graph import STAGES
    from phi3scaffold.runtime.report import card, made, page

    project = context.project
    folders = {
        name: STAGES[name].folder(project) for name in BEFORE if STAGES[name].wanted(project)
    }
    found = made.read(project, folders)
    page.write(found, context.out / page.PAGE)
    card.write(found, context.out / card.CARD)
    return {"page": page.PAGE}


STAGE = Stage(
    name="report",
    title="writing the report",
    folder=lambda project: project.report,
    inputs=inputs,
    run=run,
    after=BEFORE,
    packages=("matplotlib", "jinja2", "huggingface-hub"),
)
