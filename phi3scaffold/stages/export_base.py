"""`phi3scaffold export --base`: quantize and convert the base model, with no fine-tuning."""

from __future__ import annotations

from phi3scaffold.pipeline.stage import Context, Facts, Inputs, Stage
from phi3scaffold.project.olive_config import project_config
from phi3scaffold.project.settings import Project
from phi3scaffold.stages import export


def inputs(project: Project) -> Inputs:
    """Return what decides the prompt, and the passes behind the merge."""
    return Inputs(
        files=(project.dataset_yaml,), settings=project_config(project).settings_for("export")
    )


def run(context: Context) -> Facts:
    from phi3scaffold.conversion.build import build_base

    return build_base(context.project, context.out, context.scratch)


STAGE = Stage(
    name="export-base",
    title="quantizing the base and converting it to ONNX",
    folder=lambda project: project.onnx_base,
    inputs=inputs,
    run=run,
    after=("model",),
    packages=export.STAGE.packages,
    needs_torch=True,
    resources=export.RESOURCES,
    on_request=True,
    summary=export.summary,
    from_cloud="on_request",
)
