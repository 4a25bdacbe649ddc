"""All of the base model but its weights: what is needed to look at the rows before a download."""

from __future__ import annotations

from phi3scaffold.models.base_files import fetch_base
from phi3scaffold.pipeline.stage import Context, Facts, Inputs, Stage
from phi3scaffold.project.settings import Project
from phi3scaffold.stages.model import inputs_of, noted, throttled


def inputs(project: Project) -> Inputs:
    """Return the lock, and the files of a model of this machine but its weights."""
    return inputs_of(project, weights=False)


def run(context: Context) -> Facts:
    """Write the tokenizer, its chat template and the configuration, of the commit in model.lock."""
    report, say = throttled(context.emit), noted(context.emit, "tokenizer")
    lock = fetch_base(context.project, context.out, weights=False, progress=report, say=say)
    return {"id": lock.id, "commit": lock.commit}


STAGE = Stage(
    name="tokenizer",
    title="fetching the tokenizer",
    folder=lambda project: project.tokenizer,
    inputs=inputs,
    run=run,
    needs_accelerator=False,
    summary=lambda facts: None,
    from_cloud="never",
)
