"""`phi3scaffold export`: quantize the merged model and convert it to ONNX."""

from __future__ import annotations

from phi3scaffold.pipeline.stage import Context, Facts, Inputs, Resources, Stage, Tracking, Work
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.formatting import decimal_size
from phi3scaffold.project.olive_config import load_config, project_config
from phi3scaffold.project.settings import Project
from phi3scaffold.stages.measured_memory import GIB, memory_for


def inputs(project: Project) -> Inputs:
    return Inputs(settings=project_config(project).settings_for("export"))


def run(context: Context) -> Facts:
    from phi3scaffold.conversion.build import build_merged

    return build_merged(context.project, context.out, context.scratch)


# Bytes of ONNX and of the quantized checkpoint before it, as multiples of the 16-bit weights.
SHARE = {"int4": 0.9, "int8": 1.2, "fp16": 1.1, "bf16": 1.1, "fp32": 2.1}
# Of 16-bit weights, on two cores of 2024; ModelBuilder's share is small.
SECONDS_PER_GB = {"kquant": 70.0, "gptq": 250.0}
ROUNDED = 14.0
# Bytes at most, with a Phi-3-mini.
PEAKS = {"rtn": 10.7 * GIB, "kquant": 13 * GIB, "gptq": 15 * GIB}


def memory(project: Project, weights: int) -> int:
    """Return the bytes that the quantizer takes; of Rtn where the config cannot be read."""
    try:
        quantizer = load_config(project.olive_config).quantizer
    except ScaffoldError:
        quantizer = ""
    return memory_for(weights, PEAKS.get(quantizer, PEAKS["rtn"]))


def disk(project: Project, weights: int) -> int:
    """Return the bytes of the ONNX model and of the quantized checkpoint before it."""
    return round(weights * SHARE.get(project_config(project).precision, 2.1))


def seconds(project: Project, weights: int) -> float:
    """Return about how long quantizing takes."""
    per_gb = SECONDS_PER_GB.get(project_config(project).quantizer, ROUNDED)
    return weights / 1e9 * per_gb


def summary(facts: Facts) -> str:
    return f"{facts['precision']}, {size_text(facts)}" if facts else ""


def size_text(facts: Facts) -> str:
    """Return the bytes of an ONNX form, and what the parts of its weights take of them."""
    parts = {
        name: int(facts.get(f"{name}_bytes", 0))
        for name in ("layers", "embeddings", "output_layer")
    }
    if parts["embeddings"] and not parts["output_layer"]:  # tied
        parts["embeddings_and_output_layer"] = parts.pop("embeddings")
    shown = [
        f"{name.replace('_', ' ')} {decimal_size(size)}" for name, size in parts.items() if size
    ]
    return decimal_size(facts["bytes"]) + (f": {', '.join(shown)}" if shown else "")


def lighter(project: Project, weights: int, most: int) -> str:
    """Return the quantizer that takes at most so many bytes of memory; "" where none does."""
    if memory_for(weights, PEAKS["rtn"]) <= most:
        return '"type": "Rtn" for the quantizer, in fine-tuning/olive-config.json'
    return ""


RESOURCES = Resources(
    memory, disk, seconds, lambda project, weights: Work(starts=2.15), lighter=lighter
)
STAGE = Stage(
    name="export",
    title="quantizing and converting to ONNX",
    folder=lambda project: project.onnx,
    inputs=inputs,
    run=run,
    after=("merge",),
    packages=("torch", "transformers", "olive-ai", "onnx", "onnxruntime-genai"),
    needs_torch=True,
    resources=RESOURCES,
    summary=summary,
    tracking=Tracking(metrics=lambda facts: facts),
    from_cloud="on_request",
)
