"""`phi3scaffold merge`: fold the adapter into the base model's weights."""

from __future__ import annotations

import shutil
from typing import Any

from phi3scaffold.inference.form_files import copy_tokenizer, set_stop_ids
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
    """Write a transformers model folder that needs no adapter, its stop ids made right."""
    from phi3scaffold.models.prompt import FILE, Prompt
    from phi3scaffold.training.nf4 import round_base
    from phi3scaffold.training.olive_runner import hf_model, keep_scratch_inside, run_passes

    project = context.project
    config = project_config(project)
    keep_scratch_inside(context.out.parent)
    base, scratch = project.base, context.out.parent / "merge-base"
    if project.merge_base == "nf4":
        round_base(base, project.adapter, config.nf4_base(), scratch)
        base = scratch
    model = hf_model(base, project.adapter, torch_dtype="auto")
    run_passes(config, project.root, config.names_for("merge"), model, context.out)
    shutil.rmtree(scratch, ignore_errors=True)
    copy_tokenizer(project.base, context.out)
    (context.out / FILE).write_bytes((project.adapter / FILE).read_bytes())
    set_stop_ids(context.out / "generation_config.json", Prompt.load(context.out).stop)
    return {"merge_base": project.merge_base}


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
