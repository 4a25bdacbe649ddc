"""`phi3scaffold merge`: fold the adapter into the base model's weights."""

from __future__ import annotations

from phi3scaffold.pipeline.stage import Context, Facts, Inputs, Resources, Stage, Tracking, Work
from phi3scaffold.project.olive_config import project_config
from phi3scaffold.project.settings import Project
from phi3scaffold.stages.measured_memory import GIB, memory_for


def inputs(project: Project) -> Inputs:
    """Return the merging pass, and over which weights it merges."""
    config = project_config(project)
    settings = config.settings_for("merge") | {"merge_base": project.merge_base}
    if project.merge_base == "nf4":
        settings |= config.nf4_base()
    return Inputs(settings=settings)


def run(context: Context) -> Facts:
    from phi3scaffold.conversion.build import merge_adapter

    merge_adapter(context.project, context.out, context.scratch)
    return {"merge_base": context.project.merge_base}


PEAK = 8.0 * GIB  # bytes at most, with a Phi-3-mini
SECONDS_PER_GB = 12.0  # of 16-bit weights, on two cores of 2024
ROUNDING_PER_GB = 12.0  # seconds, to NF4 and back


def disk(project: Project, weights: int) -> int:
    """Return the bytes of the merged model, and of the NF4 base in 16 bits before it."""
    return weights * (2 if project.merge_base == "nf4" else 1)


def seconds(project: Project, weights: int) -> float:
    """Return about how long merging takes."""
    per_gb = SECONDS_PER_GB + (ROUNDING_PER_GB if project.merge_base == "nf4" else 0.0)
    return weights / 1e9 * per_gb


STAGE = Stage(
    name="merge",
    title="merging the adapter",
    folder=lambda project: project.merged,
    inputs=inputs,
    run=run,
    after=("model", "finetune"),
    packages=("torch", "transformers", "peft", "olive-ai", "bitsandbytes"),
    needs_torch=True,
    resources=Resources(
        lambda project, weights: memory_for(weights, PEAK),
        disk,
        seconds,
        work=lambda project, weights: Work(starts=2.0),
    ),
    tracking=Tracking(metrics=lambda facts: facts),
    from_cloud="on_request",
)
