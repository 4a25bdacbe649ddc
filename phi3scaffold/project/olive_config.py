"""fine-tuning/olive-config.json, read without Olive: which pass belongs to which stage.

The file is the user's, and the only home of passes, rank, training arguments and quantizers. A
stage runs a cut of its passes: `finetune` the training pass, `merge` MergeAdapterWeights, `export`
whatever stands behind.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from phi3scaffold.project.algorithms import algorithm_of, has_four_bit_base
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.files import read_json
from phi3scaffold.project.key_locations import dotted, find_places
from phi3scaffold.project.providers import CPU
from phi3scaffold.project.quantizers import QUANTIZERS, quantizer_of
from phi3scaffold.project.settings import Project

MERGING = "mergeadapterweights"
BUILDER = "modelbuilder"
STAGES = ("finetune", "merge", "export")  # that run passes of the file, in order
GPU_PRECISIONS = ("fp16", "bf16")


@dataclass(frozen=True)
class OliveConfig:
    """The parsed file.

    Attributes:
        path: where it stands.
        content: the whole JSON object.
        passes: pass name -> its settings, in file order.
    """

    path: Path
    content: dict[str, Any]
    passes: dict[str, dict[str, Any]]

    def names_for(self, stage: str) -> tuple[str, ...]:
        """Return the names of the passes that `stage` (finetune, merge, export) runs, in order."""
        chosen = []
        merged = False
        for name, settings in self.passes.items():
            kind = str(settings["type"]).lower()
            if algorithm_of(kind):
                home = "finetune"
            elif kind == MERGING:
                home, merged = "merge", True
            else:
                home = "export" if merged else "finetune"
            if home == stage:
                chosen.append(name)
        if not chosen:
            raise ScaffoldError(
                f"No pass for the stage {stage}.",
                where=f"{self.path}: passes",
                fix="the order is: LoRA or its like, MergeAdapterWeights, quantizers, ModelBuilder",
            )
        return tuple(chosen)

    def settings_for(self, stage: str) -> dict[str, Any]:
        """Return what of the file decides a stage: passes, accelerator, data configs."""
        passes = {name: self.passes[name] for name in self.names_for(stage)}
        looked_at = [settings.get("data_config") for settings in passes.values()]
        rows = [
            one for one in self.content.get("data_configs") or () if one.get("name") in looked_at
        ]
        return {
            "passes": passes,
            "system": self.system("target" if stage == "export" else "host"),
            "input_model": self.content.get("input_model"),
            **({"data_configs": rows} if rows else {}),
        }

    def system(self, role: Literal["host", "target"]) -> dict[str, Any]:
        """Return where the passes run (host), or what the ONNX model is for (target)."""
        systems: dict[str, dict[str, Any]] = self.content.get("systems") or {}
        named = self.content.get(role) or self.content.get("host")
        return systems.get(str(named)) or next(iter(systems.values()), {})

    @property
    def training_pass(self) -> dict[str, Any]:
        """The settings of the pass that trains."""
        return self.passes[self.names_for("finetune")[0]]

    @property
    def training_arguments(self) -> dict[str, Any]:
        """The training pass's arguments of transformers' Trainer."""
        arguments: dict[str, Any] = self.training_pass.get("training_args") or {}
        return {**(arguments.get("extra_args") or {}), **arguments}

    @property
    def has_nf4_base(self) -> bool:
        """Whether the adapter is trained over a base rounded to NF4."""
        settings = self.training_pass
        return has_four_bit_base(self.algo) and settings.get("quant_type", "nf4") == "nf4"

    def nf4_base(self) -> dict[str, Any]:
        """Return what decides the NF4 base of QLoRA: its ``double_quant`` and ``torch_dtype``.

        Raises:
            ScaffoldError: the training pass has no NF4 base.
        """
        name = self.names_for("finetune")[0]
        settings = self.passes[name]
        if not self.has_nf4_base:
            kind = settings.get("quant_type")
            has = f"a base in {kind}" if has_four_bit_base(self.algo) else "16-bit weights"
            raise ScaffoldError(
                f"merge_base is nf4, and {self.algo} trained its adapter over {has}.",
                where=f"{self.path}: passes.{name}",
                fix="in project.yaml: merge_base: original",
            )
        return {
            "double_quant": settings.get("double_quant", False),
            "torch_dtype": settings.get("torch_dtype", "bfloat16"),
        }

    @property
    def algo(self) -> str:
        """The training pass's type as written, e.g. ``QLoRA``."""
        return str(self.training_pass["type"])

    @property
    def precision(self) -> str:
        """The ONNX form's precision, e.g. ``int4``.

        ModelBuilder's; it says int4 of whatever a quantizer before it has rounded.
        """
        built = str(self._first(BUILDER).get("precision", "fp32"))
        quantizer = self._first(*(one.name for one in QUANTIZERS))
        return f"int{quantizer.get('bits', 4)}" if built == "int4" and quantizer else built

    @property
    def quantizer(self) -> str:
        """The layers' quantizer in small letters, one of `QUANTIZERS`, or empty."""
        return str(self._first(*(one.name for one in QUANTIZERS)).get("type", "")).lower()

    def _first(self, *kinds: str) -> dict[str, Any]:
        """Return the settings of the first pass of these types; empty where there is none."""
        found = (one for one in self.passes.values() if str(one["type"]).lower() in kinds)
        return next(found, {})


def project_config(project: Project) -> OliveConfig:
    """Read the project's Olive config; with ``--local``, brought to this machine's CPU."""
    config = load_config(project.olive_config)
    return _on_cpu(config) if project.local else config


def _on_cpu(config: OliveConfig) -> OliveConfig:
    if config.precision in GPU_PRECISIONS:
        raise ScaffoldError(
            f"The precision {config.precision} is not for a CPU.",
            where=f"{config.path}: precision of the ModelBuilder pass",
            fix="int4 or fp32",
        )
    content = copy.deepcopy(config.content)
    cpu = {"device": "cpu", "execution_providers": [CPU]}
    for system in (content.get("systems") or {}).values():
        system["accelerators"] = [dict(cpu)]
    for settings in content["passes"].values():
        if algorithm_of(settings["type"]):
            settings.setdefault("training_args", {})["use_cpu"] = True
    return OliveConfig(path=config.path, content=content, passes=content["passes"])


def load_config(path: Path) -> OliveConfig:
    """Read the file. Raises ScaffoldError with the line or the key that is wrong."""
    content = read_json(path)
    for twice, line in find_places(path.read_text(encoding="utf-8")).doubles:
        raise ScaffoldError(
            f"The key {twice[-1]!r} stands there twice; only the last would count.",
            where=f"{path}:{line}: {dotted(twice)}",
            fix="take one of them out",
        )
    passes = content.get("passes")
    if not isinstance(passes, dict) or not passes:
        raise ScaffoldError("It names no passes.", where=f"{path}: passes")
    for name, settings in passes.items():
        if not isinstance(settings, dict) or not isinstance(settings.get("type"), str):
            raise ScaffoldError("A pass needs a type.", where=f"{path}: passes.{name}.type")
        kind, where = settings["type"], f"{path}: passes.{name}"
        quantizer = quantizer_of(kind)
        if quantizer and quantizer.reads_rows and not settings.get("data_config"):
            raise ScaffoldError(
                f"Without rows of its own, {quantizer.olive_type} fetches a text from the hub.",
                where=where,
                fix='name whose rows it looks at, e.g. "data_config": "train"',
            )
        if settings.get("algorithm") == "kld_gradient":
            raise ScaffoldError(
                f"{kind} by kld_gradient fetches a text from the hub.",
                where=f"{where}.algorithm",
                fix="k_quant_mixed, k_quant_down or k_quant_last",
            )
    return OliveConfig(path=path, content=content, passes=passes)
