"""All of the base model but its weights: what is needed to look at the rows before a download."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from phi3scaffold.models.base_files import fetch_base
from phi3scaffold.pipeline.stage import Context, Inputs, Stage
from phi3scaffold.project.settings import Project
from phi3scaffold.stages.model import inputs_of, throttled


def folder(project: Project) -> Path:
    return project.tokenizer


def inputs(project: Project) -> Inputs:
    return inputs_of(project, weights=False)


def run(context: Context) -> dict[str, Any]:
    """Write the tokenizer, its chat template and the configuration, of the commit in model.lock."""
    lock = fetch_base(context.project, context.out, weights=False, progress=throttled(context.emit))
    return {"id": lock.id, "commit": lock.commit}


STAGE = Stage(
    name="tokenizer",
    title="fetching the tokenizer",
    folder=folder,
    inputs=inputs,
    run=run,
)
