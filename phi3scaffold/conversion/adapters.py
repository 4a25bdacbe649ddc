"""Adapters in ONNX: one quantized base, and the adapters of project.yaml to swap over it.

The passes that export the merged model convert the base; its graph then gets inputs for an adapter.
The adapters stay in the graph's float type: only the base loses by the quantization.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from phi3scaffold.conversion import adapter_file
from phi3scaffold.conversion.adapter_file import ONNX_ADAPTERS, ONNX_WEIGHTS
from phi3scaffold.conversion.build import build_base, build_facts
from phi3scaffold.conversion.form_files import GRAPH
from phi3scaffold.conversion.lora_inputs import A, LoraSlot, add_lora_inputs, lora_slots
from phi3scaffold.models.base_model import BASE_WEIGHTS, base_family, hash_base_weights
from phi3scaffold.models.model_folder import take_over
from phi3scaffold.models.prompt import FILE, Prompt
from phi3scaffold.pipeline import manifest
from phi3scaffold.pipeline.hashing import digest, hash_file
from phi3scaffold.project.algorithms import ALGORITHMS, algorithm_of
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.olive_config import project_config
from phi3scaffold.project.settings import Project


def check_adapters(project: Project) -> None:
    """Raise ScaffoldError where something other than a plain LoRA adapter is named.

    The project's own adapter is checked by its algorithm, since it may be trained anew.
    """
    for name, folder in project.adapters:
        place = f"{project.root / 'project.yaml'}: adapters.{name}: {folder}"
        config = project_config(project)
        algorithm = algorithm_of(config.algo)
        if folder == project.adapter and not (algorithm and algorithm.swappable):
            swappable = " and ".join(f"{one.olive_type}'s" for one in ALGORITHMS if one.swappable)
            raise ScaffoldError(
                f"Only {swappable} adapters can be swapped; this project trains by {config.algo}.",
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
        adapter_file.check_adapter_type(folder)


def build_adapters(
    project: Project, out: Path, scratch: Path, versions: dict[str, str | None]
) -> dict[str, Any]:
    """Write the base with inputs for an adapter, and each adapter's weights and prompt.

    Args:
        versions: of the packages that decide the result.

    Returns:
        Facts for the manifest.
    """
    for name, folder in project.adapters:
        _check_base(project, name, folder)
    base = manifest.read(project.base)
    settings = project_config(project).settings_for("export")
    base_fingerprint = digest([settings, base and base.content, versions])  # all but the adapters
    if not _take_last_base(project, base_fingerprint, out):
        build_base(project, out, scratch)
        (out / FILE).unlink()  # each adapter has a prompt of its own
        add_lora_inputs(out / GRAPH, base_family(project))
    slots = lora_slots(out / GRAPH)
    adapters = {
        name: _add(project, folder, out / ONNX_ADAPTERS / name, slots)
        for name, folder in project.adapters
    }
    return {
        **build_facts(project_config(project), out),
        "adapters": adapters,
        "base": base_fingerprint,
    }


def _take_last_base(project: Project, base_fingerprint: str, out: Path) -> bool:
    """Link the model from the last result where only adapters have changed; tell whether so."""
    last = project.onnx_adapter
    record = manifest.read(last)
    if record is None or record.facts.get("base") != base_fingerprint:
        return False
    files = {last / name: entry for name, entry in record.files.items() if "/" not in name}
    try:
        if any(hash_file(file) != entry.sha256 for file, entry in files.items()):
            return False
    except FileNotFoundError:
        return False
    take_over(files, out)
    return True


def _add(
    project: Project, folder: Path, target: Path, slots: dict[str, LoraSlot]
) -> dict[str, Any]:
    """Write one adapter; return its facts."""
    lora = adapter_file.read_lora(folder, slots)
    target.mkdir(parents=True)
    adapter_file.write_lora(lora, slots, target / ONNX_WEIGHTS)
    own = (folder / FILE).is_file()  # an adapter that PEFT saved alone has this project's prompt
    Prompt.load(folder if own else project.adapter).save(target)
    ranks = {tensor.shape[1] for name, tensor in lora.items() if name.endswith(A)}
    return {"ranks": sorted(ranks), "modules": len(lora) // 2}


def _check_base(project: Project, name: str, folder: Path) -> None:
    """Refuse an adapter whose manifest says it was trained over other weights."""
    record = manifest.read(folder)
    trained_on = record and record.facts.get(BASE_WEIGHTS)
    if trained_on and trained_on != hash_base_weights(project):
        raise ScaffoldError(
            f"The adapter {name} was trained over another base model.",
            where=folder,
            fix="only adapters of one base can be swapped over it: train it on this project's, "
            f"{project.model_id}",
        )
