"""The base model as QLoRA saw it: its 4-bit layers rounded to NF4 and back.

QLoRA's adapter (https://arxiv.org/abs/2305.14314) learns to make up for that rounding; over the
original weights it would make up for an error that is not there. So it is measured over the rounded
weights, in 16 bits again, and may be merged into them.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phi3scaffold.pipeline.manifest import NAME as MANIFEST
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError

if TYPE_CHECKING:
    import torch

FILE = "quantization.json"  # beside an adapter whose base was rounded when it was trained
BLOCK = 64  # weights that share a scale: bitsandbytes' own for 4-bit layers


def round_base(base: Path, adapter: Path, settings: dict[str, Any], out: Path) -> None:
    """Copy the model folder `base` to `out`, its NF4 layers rounded, all else byte for byte.

    Each tensor keeps its shape and type, so it is written over its own bytes in the copy: memory
    holds one tensor at a time, whatever the size of the files.

    Args:
        adapter: Olive's QLoRA puts one on every layer that bitsandbytes quantizes and on no other
            (the output layer and the embeddings stay as they are).
        settings: from `OliveConfig.nf4_base`.
        out: a folder that does not exist yet.

    Raises:
        ScaffoldError: the adapter names a layer that the base does not have (exit code 1).
    """
    import torch
    from safetensors import safe_open

    left = _adapted_weights(adapter)
    shutil.copytree(base, out, ignore=shutil.ignore_patterns(MANIFEST))
    for shard in sorted(out.glob("*.safetensors")):
        with safe_open(base / shard.name, framework="pt") as original, shard.open("r+b") as copy:
            start = 8 + int.from_bytes(copy.read(8), "little")
            header = json.loads(copy.read(start - 8))
            for name in left & header.keys():
                rounded = _rounded(original.get_tensor(name), settings)
                copy.seek(start + header[name]["data_offsets"][0])
                copy.write(rounded.view(torch.uint8).numpy().data)
            left -= header.keys()
    if left:
        raise ScaffoldError(
            f"The adapter is for layers that the base model does not have: {min(left)}.",
            where=adapter,
            exit_code=FAILED_RUN,
        )


def round_layers(model: Any, settings: dict[str, Any]) -> None:
    """Round the layers under a PEFT model's adapters, in place, one at a time.

    Args:
        model: a `peft.PeftModel` over the original weights.
        settings: as for `round_base`, or from an adapter's `FILE`.
    """
    for module in model.modules():
        if hasattr(module, "lora_A") and hasattr(module, "base_layer"):
            weight = module.base_layer.weight
            weight.data = _rounded(weight.data, settings)


def _adapted_weights(adapter: Path) -> set[str]:
    """Return the names of the adapted weights, as the base's files have them."""
    from safetensors import safe_open

    first, last = "base_model.model.", ".lora_A.weight"
    with safe_open(adapter / "adapter_model.safetensors", framework="pt") as file:
        keys = list(file.keys())
    return {key.removeprefix(first).removesuffix(last) + ".weight" for key in keys if last in key}


def _rounded(weight: torch.Tensor, settings: dict[str, Any]) -> torch.Tensor:
    """Return a weight [out, in] rounded to four bits, in the type it had."""
    import torch
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit

    trained_in = getattr(torch, settings["torch_dtype"])
    four_bits, state = quantize_4bit(
        weight.to(trained_in),
        blocksize=BLOCK,
        compress_statistics=settings["double_quant"],
        quant_type="nf4",
    )
    return dequantize_4bit(four_bits, state).to(weight.dtype).contiguous()
