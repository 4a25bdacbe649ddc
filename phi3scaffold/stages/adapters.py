"""`phi3scaffold adapters`: one ONNX base, and the adapters of project.yaml to swap over it.

The base is quantized and converted by the passes that export the merged model; its graph then gets
inputs for an adapter (conversion/lora_inputs.py says why not by Olive's own passes). The adapters
stay in the graph's float type: only the base loses by the quantization.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from phi3scaffold.conversion import adapter_file
from phi3scaffold.conversion.lora_inputs import LoraSlot
from phi3scaffold.inference.form_files import size_of
from phi3scaffold.inference.forms.genai_adapter import ADAPTERS, WEIGHTS
from phi3scaffold.models.model_folder import take_over
from phi3scaffold.pipeline import manifest
from phi3scaffold.pipeline.hashing import digest
from phi3scaffold.pipeline.stage import Context, Inputs, Stage, versions
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.olive_config import project_config
from phi3scaffold.project.settings import Project
from phi3scaffold.stages import export
from phi3scaffold.stages.finetune import BASE, base_weights

GRAPH = "model.onnx"
PLAIN = ("lora", "qlora")


def inputs(project: Project) -> Inputs:
    from phi3scaffold.models.prompt import FILE as PROMPT

    check(project)
    names = (adapter_file.CONFIG, adapter_file.WEIGHTS, PROMPT)
    files = [folder / name for _, folder in project.adapters for name in names]
    return Inputs(
        files=tuple(file for file in files if file.is_file()),
        settings={
            "export": project_config(project).settings_for("export"),
            "adapters": {name: _place(project, folder) for name, folder in project.adapters},
        },
    )


def _place(project: Project, folder: Path) -> str:
    """A project that is moved keeps its results."""
    inside = folder.is_relative_to(project.root)
    return folder.relative_to(project.root).as_posix() if inside else str(folder)


def check(project: Project) -> None:
    """Raise ScaffoldError where something other than a plain LoRA adapter is named.

    The project's own is judged by the pass that trains it, since it may be made anew.
    """
    for name, folder in project.adapters:
        place = f"{project.root / 'project.yaml'}: adapters.{name}: {folder}"
        config = project_config(project)
        if folder == project.adapter and config.algo.lower() not in PLAIN:
            raise ScaffoldError(
                f"Only LoRA's and QLoRA's adapters can be swapped; this project trains by "
                f"{config.algo}.",
                where=place,
                fix="use its merged model (gen-model/onnx), and take the line out",
            )
        if folder == project.adapter:
            continue
        if not (folder / adapter_file.CONFIG).is_file():
            raise ScaffoldError(
                f"The adapter {name} is not there: the folder has no {adapter_file.CONFIG}.",
                where=place,
                fix="name the folder of a PEFT adapter, or take the line out",
            )
        adapter_file.check_kind(folder)


def run(context: Context) -> dict[str, Any]:
    """Write the base with inputs for an adapter, and each adapter's weights and prompt."""
    from phi3scaffold.conversion.lora_inputs import add_lora_inputs, lora_slots
    from phi3scaffold.models.prompt import FILE

    project, out = context.project, context.out
    for name, folder in project.adapters:
        _check_base(project, name, folder)
    decided_by = _base_decided_by(project)
    if not _take_last_base(project, decided_by, out):
        export.convert_base(project, out)
        (out / FILE).unlink()  # each adapter has a prompt of its own
        add_lora_inputs(out / GRAPH)
    slots = lora_slots(out / GRAPH)
    made = {
        name: _add(project, folder, out / ADAPTERS / name, slots)
        for name, folder in project.adapters
    }
    precision = project_config(project).precision
    return {"precision": precision, "bytes": size_of(out), "adapters": made, "base": decided_by}


def _base_decided_by(project: Project) -> str:
    """A hash over what decides the model without its adapters."""
    base = manifest.read(project.base)
    settings = project_config(project).settings_for("export")
    return digest([settings, base and base.content, versions(STAGE.packages)])


def _take_last_base(project: Project, decided_by: str, out: Path) -> bool:
    """Link the model from the last result where only adapters have changed since; whether so."""
    last = project.onnx_adapter
    made = manifest.read(last)
    if made is None or made.facts.get("base") != decided_by:
        return False
    files = {last / name: entry for name, entry in made.files.items() if "/" not in name}
    for file, entry in files.items():
        try:
            with file.open("rb") as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
        except FileNotFoundError:
            return False
        if found != entry["sha256"]:
            return False
    take_over(files, out)
    return True


def _add(
    project: Project, folder: Path, target: Path, slots: dict[str, LoraSlot]
) -> dict[str, Any]:
    """Write one adapter; returns what it is."""
    from phi3scaffold.models.prompt import FILE, Prompt

    lora = adapter_file.read_lora(folder, slots)
    target.mkdir(parents=True)
    adapter_file.write_lora(lora, slots, target / WEIGHTS)
    own = (folder / FILE).is_file()  # an adapter that PEFT saved alone is asked as this project's
    Prompt.load(folder if own else project.adapter).save(target)
    return {"ranks": lora.ranks, "modules": len(lora.tensors) // 2}


def _check_base(project: Project, name: str, folder: Path) -> None:
    """Refuse an adapter that `finetune` says was trained over other weights."""
    made = manifest.read(folder)
    trained_on = made and made.facts.get(BASE)
    if trained_on and trained_on != base_weights(project):
        raise ScaffoldError(
            f"The adapter {name} was trained over another base model.",
            where=folder,
            fix="only adapters of one base can be swapped over it: train it on this project's, "
            f"{project.model_id}",
        )


STAGE = Stage(
    name="adapters",
    title="making the ONNX base for the adapters",
    folder=lambda project: project.onnx_adapter,
    inputs=inputs,
    run=run,
    after=("model", "finetune"),
    packages=("torch", "transformers", "olive-ai", "onnx", "onnxruntime", "onnxruntime-genai"),
    needs_torch=True,
    seconds=export.STAGE.seconds,
    room=export.room,
    wanted=lambda project: bool(project.adapters),
    check=check,
)
