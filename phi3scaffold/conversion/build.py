"""Build a form by Olive's passes: merge an adapter; quantize a model and convert it to ONNX.

Every builder reads a project, and writes into `out`, an empty folder on the project's disk;
`scratch`, on the same disk, takes intermediate files.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from phi3scaffold.conversion.builder_repairs import builder_for
from phi3scaffold.conversion.form_files import (
    GENAI_CONFIG,
    GRAPH,
    check_stop_ids,
    copy_tokenizer,
    project_prompt,
    set_genai_stop_ids,
    set_stop_ids,
    size_of,
)
from phi3scaffold.conversion.shared_weights import share_weights, weight_sizes
from phi3scaffold.models.base_model import base_family
from phi3scaffold.models.prompt import FILE, Prompt
from phi3scaffold.project.olive_config import OliveConfig, project_config
from phi3scaffold.project.settings import Project


def merge_adapter(project: Project, out: Path, scratch: Path) -> None:
    """Write a transformers model folder that needs no adapter, with the right stop ids."""
    from phi3scaffold.training.nf4 import round_base
    from phi3scaffold.training.olive_runner import hf_model, keep_scratch_inside, run_passes

    config = project_config(project)
    keep_scratch_inside(scratch)
    base, rounded = project.base, scratch / "merge-base"
    if project.merge_base == "nf4":
        round_base(base, project.adapter, config.nf4_base(), rounded)
        base = rounded
    model = hf_model(base, project.adapter, torch_dtype="auto")
    run_passes(config, project.root, config.names_for("merge"), model, out, scratch)
    shutil.rmtree(rounded, ignore_errors=True)
    copy_tokenizer(project.base, out)
    (out / FILE).write_bytes((project.adapter / FILE).read_bytes())
    set_stop_ids(out / "generation_config.json", Prompt.load(out).stop)


def build_merged(
    project: Project, out: Path, scratch: Path, config: OliveConfig | None = None
) -> dict[str, Any]:
    """Write the merged model as a folder that ONNX Runtime GenAI opens; return its facts.

    Args:
        config: in place of the project's own.
    """
    config = config or project_config(project)
    convert(project, config, project.merged, out, scratch)
    (out / FILE).write_bytes((project.merged / FILE).read_bytes())
    check_stop_ids(out / GENAI_CONFIG, Prompt.load(out).stop)
    return build_facts(config, out)


def build_base(project: Project, out: Path, scratch: Path) -> dict[str, Any]:
    """Do the same with the base model, to be prompted as the project's model is."""
    config = project_config(project)
    convert(project, config, project.base, out, scratch)
    prompt = project_prompt(project)
    prompt.save(out)
    set_genai_stop_ids(out / GENAI_CONFIG, prompt.stop)
    return build_facts(config, out)


def build_facts(config: OliveConfig, out: Path) -> dict[str, Any]:
    """Return what the manifest of an ONNX form says about it."""
    return {
        "precision": config.precision,
        "bytes": size_of(out),
        **{f"{part}_bytes": size for part, size in weight_sizes(out / GRAPH).items()},
    }


def convert(project: Project, config: OliveConfig, source: Path, out: Path, scratch: Path) -> None:
    """Run a config's export passes on the model folder `source`; its tokenizer goes along."""
    from phi3scaffold.training.olive_runner import hf_model, keep_scratch_inside, run_passes

    keep_scratch_inside(scratch)
    with builder_for(base_family(project)):
        run_passes(config, project.root, config.names_for("export"), hf_model(source), out, scratch)
    share_weights(out / GRAPH)
    # ModelBuilder saves the tokenizer under a class that older ONNX Runtime GenAI does not know
    copy_tokenizer(project.base, out)
