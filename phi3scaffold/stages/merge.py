"""`phi3scaffold merge`: fold the adapter into the base model's weights."""

from __future__ import annotations

from typing import Any

from phi3scaffold.pipeline.stage import Context, Inputs, Stage
from phi3scaffold.project.olive_config import project_config
from phi3scaffold.project.settings import Project


def inputs(project: Project) -> Inputs:
    config = project_config(project)
    settings = config.settings_for("merge") | {"merge_base": project.merge_base}
    if project.merge_base == "nf4":
        settings |= config.nf4_base()
    return Inputs(settings=settings)


def run(context: Context) -> dict[str, Any]:
    """Write the merged model's folder."""
    from phi3scaffold.conversion.merge import merge_adapter

    merge_adapter(context.project, context.out, context.out.parent)
    return {"merge_base": context.project.merge_base}


def room(project: Project) -> int:
    """The merged model, and before it the NF4 base in 16 bits."""
    return project.base_bytes * (2 if project.merge_base == "nf4" else 1)


SECONDS_PER_GB = 12.0  # of 16-bit weights, on two cores of 2024
ROUNDING_PER_GB = 12.0  # seconds, to NF4 and back


def seconds(project: Project) -> float:
    """About how long it takes."""
    per_gb = SECONDS_PER_GB + (ROUNDING_PER_GB if project.merge_base == "nf4" else 0.0)
    return project.base_bytes / 1e9 * per_gb


STAGE = Stage(
    name="merge",
    title="merging the adapter",
    folder=lambda project: project.merged,
    inputs=inputs,
    run=run,
    after=("model", "finetune"),
    packages=("torch", "transformers", "peft", "olive-ai", "bitsandbytes"),
    needs_torch=True,
    seconds=seconds,
    room=room,
)
