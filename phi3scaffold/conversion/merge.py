"""Merge: fold a LoRA adapter into the base model's weights, by Olive's merge pass."""

from __future__ import annotations

import shutil
from pathlib import Path

from phi3scaffold.conversion.form_files import copy_tokenizer, set_stop_ids
from phi3scaffold.models.prompt import FILE, Prompt
from phi3scaffold.project.olive_config import project_config
from phi3scaffold.project.settings import Project


def merge_adapter(project: Project, out: Path, scratch: Path) -> None:
    """Write a transformers model folder that needs no adapter, with the right stop ids.

    Args:
        project: its base model and adapter are read.
        out: an empty folder on the project's disk.
        scratch: a folder on the same disk for intermediate files.
    """
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
