"""A PEFT adapter's folder, and the .onnx_adapter file made from it for a graph with LoRA inputs."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phi3scaffold.conversion.lora_inputs import A, B, LoraSlot
from phi3scaffold.models.base_model import Base
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.files import read_json, write_json

if TYPE_CHECKING:
    import torch

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
# Of the ONNX form: the folder with a folder for each adapter, and the file in that.
ONNX_ADAPTERS, ONNX_WEIGHTS = "adapters", "weights.onnx_adapter"
PREFIX = "base_model.model."
# Of PEFT's LoRA settings those that make an adapter more than A and B over an unchanged base.
MORE_THAN_A_AND_B = (
    "alora_invocation_tokens",
    "layer_replication",
    "lora_bias",
    "modules_to_save",
    "target_parameters",
    "trainable_token_indices",
    "use_bdlora",
    "use_dora",
    "use_qalora",
)
# Of its ways to begin training those that leave the base as it is; PiSSA, LoftQ and others do not.
BEGINNINGS = (True, False, "gaussian", "orthogonal", "eva")


def read_lora(folder: Path, slots: dict[str, LoraSlot]) -> dict[str, torch.Tensor]:
    """Read a PEFT adapter and fit it to the graph's inputs, `slots`.

    Returns:
        graph input -> A [features_in, rank] or B [rank, features_out], alpha / rank in B.

    Raises:
        ScaffoldError: it is no LoRA adapter, or more than one (DoRA, biases, whole modules), or was
            not trained on a base of this shape.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    config = check_adapter_type(folder)
    try:
        weights = load_file(folder / WEIGHTS)
    except FileNotFoundError:
        raise ScaffoldError(
            "The adapter has no weights as safetensors; nothing else is loaded.",
            where=folder / WEIGHTS,
        ) from None
    except (SafetensorError, OSError) as error:
        raise ScaffoldError(
            f"The adapter's weights cannot be read: {error}.", where=folder / WEIGHTS
        ) from None
    tensors = {}
    for key in weights:
        module = key.removeprefix(PREFIX).removesuffix(A).removesuffix(B)
        if key not in (f"{PREFIX}{module}{A}", f"{PREFIX}{module}{B}") or module not in slots:
            raise ScaffoldError(
                f"The adapter holds {key}, which cannot be swapped.",
                where=folder / WEIGHTS,
                fix="target_modules of the training pass: some of "
                + ", ".join(sorted({name.rpartition(".")[2] for name in slots})),
            )
    for module, slot in slots.items():
        a, b = (weights.get(f"{PREFIX}{module}{suffix}") for suffix in (A, B))
        if a is None and b is None:
            continue
        if (
            a is None
            or b is None
            or a.shape != (b.shape[1], slot.features_in)
            or b.shape[0] != slot.features_out
        ):
            raise ScaffoldError(
                f"The adapter does not fit this base: {module} has "
                f"{slot.features_in} inputs and {slot.features_out} outputs here.",
                where=folder / WEIGHTS,
                fix="only adapters that were trained on this project's base can be swapped over it",
            )
        tensors[module + A] = a.float().T.contiguous()
        tensors[module + B] = (b.float() * _scale(config, module, a.shape[0])).T.contiguous()
    if not tensors:
        raise ScaffoldError("The adapter holds no weights.", where=folder / WEIGHTS)
    return tensors


def normalize_config(path: Path, base: Base) -> None:
    """Name the base in PEFT's file as others can get it; equal runs write equal files.

    PEFT writes the base's folder on this machine, and its sets of modules in any order.
    """
    settings = read_json(path)
    settings |= {"base_model_name_or_path": base.name, "revision": base.commit}
    for key in ("target_modules", "exclude_modules"):
        if isinstance(settings.get(key), list):
            settings[key].sort()
    write_json(path, settings, indent=2)


def write_lora(lora: dict[str, torch.Tensor], slots: dict[str, LoraSlot], path: Path) -> None:
    """Write an adapter for ONNX Runtime, in the element type of the graph's activations."""
    import onnxruntime
    import torch
    from onnx import TensorProto

    types = {
        TensorProto.FLOAT: torch.float32,
        TensorProto.FLOAT16: torch.float16,
        TensorProto.BFLOAT16: torch.bfloat16,
    }
    values = {}
    for name, tensor in lora.items():
        element = slots[name.removesuffix(A).removesuffix(B)].element
        typed = tensor.to(types[element])
        array = (typed.view(torch.uint16) if element == TensorProto.BFLOAT16 else typed).numpy()
        values[name] = onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(array, element)
    adapter = onnxruntime.AdapterFormat()
    adapter.set_parameters(values)
    adapter.export_adapter(str(path))


def check_adapter_type(folder: Path) -> dict[str, Any]:
    """Return an adapter's settings. Raises ScaffoldError where it is more than A and B."""
    config = read_json(folder / CONFIG)
    kind = str(config.get("peft_type"))
    more = [key for key in MORE_THAN_A_AND_B if config.get(key)]
    if config.get("bias", "none") != "none":
        more.append("bias")
    if config.get("init_lora_weights", True) not in BEGINNINGS:
        more.append("init_lora_weights")
    if kind == "LORA" and not more:
        return config
    raise ScaffoldError(
        f"Only plain LoRA adapters can be swapped, and this one is {kind}"
        + (f" with {', '.join(more)}." if more else "."),
        where=f"{folder / CONFIG}: {more[0] if kind == 'LORA' else 'peft_type'}",
        fix="use its merged model (gen-model/onnx), or train with LoRA or QLoRA",
    )


def _scale(config: dict[str, Any], module: str, rank: int) -> float:
    """Return alpha / r, or alpha / sqrt(r) for rank-stabilized LoRA (arXiv:2312.03732)."""
    patterns = config.get("alpha_pattern") or {}
    own = (key for key in patterns if re.fullmatch(rf"(.*\.)?({key})", module))  # as PEFT does
    key = next(own, None)
    alpha = float(config.get("lora_alpha", 8) if key is None else patterns[key])
    return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)
