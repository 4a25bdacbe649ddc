"""`phi3scaffold export`: quantize the merged model and convert it to ONNX."""

from __future__ import annotations

from typing import Any

from phi3scaffold.pipeline.stage import Context, Inputs, Stage
from phi3scaffold.project.olive_config import project_config
from phi3scaffold.project.settings import Project


def inputs(project: Project) -> Inputs:
    return Inputs(settings=project_config(project).settings_for("export"))


def run(context: Context) -> dict[str, Any]:
    """Write the ONNX form's folder."""
    from phi3scaffold.conversion.build import build_merged

    return build_merged(context.project, context.out, context.out.parent)


# Bytes of ONNX and of the quantized checkpoint before it, as multiples of the 16-bit weights.
SHARE = {"int4": 0.9, "int8": 1.2, "fp16": 1.1, "bf16": 1.1, "fp32": 2.1}


def room(project: Project) -> int:
    return round(project.base_bytes * SHARE.get(project_config(project).precision, 2.1))


# Of 16-bit weights, on two cores of 2024; ModelBuilder's share is small.
SECONDS_PER_GB = {"kquant": 70.0, "gptq": 250.0}
ROUNDED = 14.0


def seconds(project: Project) -> float:
    per_gb = SECONDS_PER_GB.get(project_config(project).quantizer, ROUNDED)
    return project.base_bytes / 1e9 * per_gb


STAGE = Stage(
    name="export",
    title="quantizing and converting to ONNX",
    folder=lambda project: project.onnx,
    inputs=inputs,
    run=run,
    after=("merge",),
    packages=("torch", "transformers", "olive-ai", "onnx", "onnxruntime-genai"),
    needs_torch=True,
    seconds=seconds,
    room=room,
)
