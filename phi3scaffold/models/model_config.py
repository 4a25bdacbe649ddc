"""A model's config.json: whether its architecture is known, and its weights are not quantized."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from phi3scaffold.models.families import registry
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.files import read_json

CONFIG = "config.json"
LFS_POINTER = b"version https://git-lfs"
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
CARD = "README.md"
BASE_MODEL = re.compile(r"^base_model:\s*(?:\n?\s*-\s*)?[\"']?([\w.-]+/[\w.-]+)", re.M)
# What quantizers wrote beside config.json before that had a key for it, and NVIDIA's still does.
BESIDE = {
    "quantize_config.json": "GPTQ",
    "quant_config.json": "AWQ",
    "hf_quant_config.json": "ModelOpt",
}
TITLES = {"awq": "AWQ", "gptq": "GPTQ", "fp8": "FP8", "fbgemm_fp8": "FP8", "mxfp4": "MXFP4"}


def read_config(folder: Path) -> dict[str, Any]:
    """Read a model folder's config.json, checked as `check_config` does.

    Raises:
        ScaffoldError: no folder, no config.json, not JSON, another architecture, or quantized.
    """
    path = folder / CONFIG
    if not folder.is_dir():
        raise ScaffoldError(
            "The model's folder does not exist.",
            where=folder,
            fix="give a folder with config.json, *.safetensors and the tokenizer's files",
        )
    if not path.exists():
        raise ScaffoldError(
            "The model's folder has no config.json.",
            where=folder,
            fix="give a folder in Hugging Face's format (save_pretrained writes one)",
        )
    refuse_pointer(path)
    config = read_json(path)
    check_config(config, str(path), lambda: read_card(folder))
    for name, method in BESIDE.items():
        if (folder / name).is_file():
            raise _quantized(method, f"{folder / name}", original_of(config, read_card(folder)))
    return config


def read_card(folder: Path) -> str:
    """Return the model card of a folder; "" where there is none."""
    file = folder / CARD
    return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""


def check_config(config: Mapping[str, Any], where: str, card: Callable[[], str]) -> None:
    """Refuse what cannot be trained here, whatever its files look like.

    Args:
        config: what config.json says.
        where: that file, as messages name it.
        card: returns the model card, which may name the model that this one was made from.

    Raises:
        ScaffoldError: another architecture, or quantized weights.
    """
    found = config.get("architectures")
    names = [str(name) for name in found] if isinstance(found, list) else []
    if registry.family_of(names) is None:
        raise ScaffoldError(
            f"This model cannot be used: its architecture is {', '.join(names) or 'nothing'}, "
            f"not {registry.architectures_text()}.",
            where=f"{where}: architectures",
            fix="choose a model from `phi3scaffold models`, or another of these architectures",
        )
    for key in ("quantization_config", "compression_config"):
        settings = config.get(key)
        if settings:
            method = method_of(settings if isinstance(settings, dict) else {})
            raise _quantized(method, f"{where}: {key}", original_of(config, card()))


def method_of(settings: Mapping[str, Any]) -> str:
    """Return how weights were quantized, in words: ``bitsandbytes, 4-bit``."""
    name = str(settings.get("quant_method") or "").lower()
    bits: Any = settings.get("bits") or settings.get("w_bit")
    for key, width in (("load_in_4bit", 4), ("load_in_8bit", 8)):
        if settings.get(key):
            name, bits = name or "bitsandbytes", width
    title = TITLES.get(name) or name or "an unnamed method"
    kind = settings.get("format") if name == "compressed-tensors" else None
    return ", ".join(filter(None, (title, f"{bits}-bit" if bits else "", str(kind or ""))))


def original_of(config: Mapping[str, Any], card: str) -> str | None:
    """Return the hub id of the model that a quantized one was made from, where it is named."""
    match = BASE_MODEL.search(card)
    named = match[1] if match else str(config.get("_name_or_path") or "")
    return named if HUB_ID.fullmatch(named) else None


def _quantized(method: str, where: str, original: str | None) -> ScaffoldError:
    name = f", which its files name: {original}" if original else ""
    return ScaffoldError(
        f"This model's weights are quantized ({method}), so no adapter can be merged into them.",
        where=where,
        fix=f"choose the unquantized original{name}; with qlora it is quantized while it trains",
    )


def refuse_pointer(path: Path) -> None:
    """Refuse a file that git left as a pointer, because git-lfs was missing at the clone.

    Raises:
        ScaffoldError: it is one.
    """
    with path.open("rb") as stream:
        if stream.read(len(LFS_POINTER)) != LFS_POINTER:
            return
    raise ScaffoldError(
        f"{path.name} is a git-lfs pointer, not the file itself.",
        where=path,
        fix="install git-lfs, then run `git lfs pull` in the model's folder",
    )
