"""`phi3scaffold export`: quantize the merged model and convert it to ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from phi3scaffold.inference.form_files import (
    GENAI_CONFIG,
    check_stop_ids,
    copy_tokenizer,
    project_prompt,
    set_genai_stop_ids,
    size_of,
)
from phi3scaffold.pipeline.stage import Context, Inputs, Stage
from phi3scaffold.project.olive_config import project_config
from phi3scaffold.project.settings import Project


def inputs(project: Project) -> Inputs:
    return Inputs(settings=project_config(project).settings_for("export"))


def run(context: Context) -> dict[str, Any]:
    """Write a folder that ONNX Runtime GenAI opens: model, config, tokenizer, prompt."""
    from phi3scaffold.models.prompt import FILE, Prompt
    from phi3scaffold.training.olive_runner import hf_model, keep_scratch_inside, run_passes

    project = context.project
    config = project_config(project)
    keep_scratch_inside(context.out.parent)
    names = config.names_for("export")
    run_passes(config, project.root, names, hf_model(project.merged), context.out)
    # ModelBuilder saves the tokenizer under a class that older ONNX Runtime GenAI does not know
    copy_tokenizer(project.base, context.out)
    (context.out / FILE).write_bytes((project.merged / FILE).read_bytes())
    check_stop_ids(context.out / GENAI_CONFIG, Prompt.load(context.out).stop)
    return {"precision": config.precision, "bytes": size_of(context.out)}


def convert_base(project: Project, out: Path) -> None:
    """Quantize and convert the base as `run` does the merged model; its turn ends in the same way.

    Args:
        out: an empty folder on the project's disk.
    """
    from phi3scaffold.training.olive_runner import hf_model, keep_scratch_inside, run_passes

    config = project_config(project)
    keep_scratch_inside(out.parent)
    run_passes(config, project.root, config.names_for("export"), hf_model(project.base), out)
    copy_tokenizer(project.base, out)
    prompt = project_prompt(project)
    prompt.save(out)
    set_genai_stop_ids(out / GENAI_CONFIG, prompt.stop)


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
