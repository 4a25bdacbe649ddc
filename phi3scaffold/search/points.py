"""The points of a search: ways to quantize the merged model, each as passes of Olive's.

A point is a quantizer and its settings. The bits of the layers, the builder's other settings and
what the adapter was merged into stay as the project has them.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from phi3scaffold.models.shape import Shape
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.olive_config import BUILDER, MERGING, OliveConfig
from phi3scaffold.project.providers import CPU, DIRECTML
from phi3scaffold.project.quantizers import QUANTIZERS, quantizer_of

BLOCKS = (32, 64, 128, 16)  # weights that share a scale
END_BITS = (8, 4)  # of the output layer and the embeddings
MIXED = ("", "k_quant_mixed", "k_quant_down")
LEVELS = (4, 1)  # MatMulNBits' accuracy level: activations in 8 bits, in 32
END_BLOCK = {8: 64, 4: 32}  # weights of the output layer and the embeddings that share a scale
CALIBRATION = "calibration"  # the data config of a quantizer that looks at rows
CALIBRATION_ROWS = 128

Passes = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Point:
    """One way to quantize.

    Attributes:
        quantizer: one of `QUANTIZERS`, by its name.
        block: weights of a layer that share a scale.
        head: bits of the output layer.
        embeddings: bits of the embeddings; 0: they stay as they are.
        mixed: how layers are chosen for 8 bits; "" for none.
        level: the accuracy level of the products.
    """

    quantizer: str = "rtn"
    block: int = 32
    head: int = 8
    embeddings: int = 8
    mixed: str = ""
    level: int = 4

    @property
    def name(self) -> str:
        """The point in a few words, such as ``rtn 32, 8/8``: the last are the bits of the ends."""
        parts = [f"{self.quantizer} {self.block}", f"{self.head}/{self.embeddings or '-'}"]
        parts += [self.mixed] if self.mixed else []
        return ", ".join([*parts, *([f"level {self.level}"] if self.level != LEVELS[0] else [])])


def all_points(config: OliveConfig, shape: Shape) -> tuple[list[Point], dict[str, str]]:
    """Return the points that a project's model can have, and what was left out with its reason."""
    left_out = {}
    widths = sorted({shape.hidden, shape.intermediate, shape.heads * shape.head_dim})
    blocks = [one for one in BLOCKS if not any(width % one for width in widths)]
    listed = ", ".join(map(str, widths))
    for block in sorted(set(BLOCKS) - set(blocks)):
        left_out[f"blocks of {block}"] = f"they do not divide the model's widths: {listed}"
    provider = _provider(config)
    ends = [(head, embeddings) for head in END_BITS for embeddings in END_BITS]
    if provider == DIRECTML:
        ends = [(head, 0) for head in END_BITS]
        left_out["quantized embeddings"] = "DirectML has no operator that reads them"
    elif shape.tied:
        ends = [(bits, bits) for bits in END_BITS]
        left_out["other bits for the embeddings than for the output layer"] = (
            "the model ties the two: with equal bits they are stored once"
        )
    ends = [pair for pair in ends if not shape.hidden % END_BLOCK[pair[0]]]
    levels = LEVELS if provider == CPU else LEVELS[:1]
    if len(levels) == 1:
        left_out["accuracy level 1"] = "only the CPU provider tells them apart"
    mixed = MIXED if _bits(config) == 4 else MIXED[:1]
    left_out["other bits for the layers"] = f"the project's precision is {config.precision}"
    left_out["another merge_base"] = "the search leaves project.yaml's"
    points = [
        Point(quantizer.name, block, head, embeddings, mix, level)
        for level in levels
        for mix in mixed
        for quantizer in QUANTIZERS
        for head, embeddings in ends
        for block in blocks
    ]
    return points, left_out


def check_quantized(config: OliveConfig) -> None:
    """Refuse a project whose export has no quantizer to choose."""
    if not config.quantizer:
        raise ScaffoldError(
            f"The precision {config.precision} is not quantized: there is nothing to search.",
            where=f"{config.path}: passes",
            fix="a pass of Rtn before ModelBuilder, as `new --precision int4` writes it",
        )


def with_point(config: OliveConfig, point: Point) -> OliveConfig:
    """Return the configuration with a point's passes in place of its own."""
    return with_passes(config, passes_of(config, point))


def with_passes(config: OliveConfig, passes: Passes) -> OliveConfig:
    """Return the configuration with other passes between the merge and behind the builder."""
    own = [name for name in config.names_for("export") if name in _replaced(config)]
    kept: Passes = {}
    for name, settings in config.passes.items():
        if name in own:
            kept |= {} if name != own[-1] else copy.deepcopy(passes)
        else:
            kept[name] = settings
    content = copy.deepcopy(config.content) | {"passes": kept}
    if reads_rows(passes) and not _data_config(config, CALIBRATION):
        content["data_configs"] = [*content.get("data_configs", []), calibration(config)]
    return OliveConfig(config.path, content, kept)


def passes_of(config: OliveConfig, point: Point) -> Passes:
    """Return a point's passes: from behind the merge to the builder, that included."""
    quantizer = quantizer_of(point.quantizer)
    assert quantizer is not None
    passes: Passes = {}
    if point.mixed:
        passes["mix"] = {"type": "SelectiveMixedPrecision", "algorithm": point.mixed}
    rounding: dict[str, Any] = {"type": quantizer.olive_type}
    if quantizer.reads_rows:
        rounding["data_config"] = CALIBRATION
    rounding |= {"bits": _bits(config), "group_size": point.block, "sym": False}
    named = {"lm_head": point.head, "model.embed_tokens": point.embeddings}
    overrides = {
        name: {"bits": bits, "group_size": END_BLOCK[bits]} for name, bits in named.items() if bits
    }
    ends: dict[str, Any] = {"lm_head": True}
    if point.embeddings:
        ends["embeds"] = True
    ends["overrides"] = overrides
    if point.embeddings and not quantizer.embeds:
        passes["quantize"] = rounding
        passes["embeddings"] = {"type": "Rtn", "sym": False, **ends}
    else:
        passes["quantize"] = rounding | ends
    name, builder = _builder(config)
    passes[name] = {**builder, "int4_accuracy_level": point.level}
    return passes


def own_point(config: OliveConfig, points: Sequence[Point]) -> Point | None:
    """Return the point that the project has now; None where it is none of `points`."""
    own = _own_passes(config)
    return next((one for one in points if list(passes_of(config, one).items()) == own), None)


def own_passes(config: OliveConfig) -> Passes:
    """Return the project's own passes that a point replaces."""
    return dict(_own_passes(config))


def reads_rows(passes: Passes) -> bool:
    """Tell whether one of the passes looks at rows."""
    found = (quantizer_of(settings["type"]) for settings in passes.values())
    return any(one.reads_rows for one in found if one)


def calibration(config: OliveConfig) -> dict[str, Any]:
    """Return the data config of the rows that a quantizer looks at: some of the training's."""
    rows = _data_config(config, str(config.training_pass.get("train_data_config"))) or {}
    if not rows:
        raise ScaffoldError(
            "The training pass names no data config, so no quantizer can look at rows.",
            where=f"{config.path}: train_data_config",
        )
    rows = copy.deepcopy(rows) | {"name": CALIBRATION}
    turns = rows.get("pre_process_data_config") or {}
    return rows | {"pre_process_data_config": {**turns, "max_samples": CALIBRATION_ROWS}}


def _own_passes(config: OliveConfig) -> list[tuple[str, dict[str, Any]]]:
    return [(name, config.passes[name]) for name in _replaced(config)]


def _replaced(config: OliveConfig) -> list[str]:
    """Return the names from behind the merge to the builder."""
    names = list(_behind_merge(config))
    builder, _ = _builder(config)
    return names[: names.index(builder) + 1]


def _behind_merge(config: OliveConfig) -> Iterator[str]:
    merged = False
    for name, settings in config.passes.items():
        if merged:
            yield name
        merged = merged or str(settings["type"]).lower() == MERGING


def _builder(config: OliveConfig) -> tuple[str, dict[str, Any]]:
    for name in config.names_for("export"):
        if str(config.passes[name]["type"]).lower() == BUILDER:
            return name, config.passes[name]
    raise ScaffoldError("No pass of ModelBuilder.", where=f"{config.path}: passes")


def _bits(config: OliveConfig) -> int:
    settings = (one for one in config.passes.values() if quantizer_of(one["type"]))
    return int(next(settings, {}).get("bits", 4))


def _provider(config: OliveConfig) -> str:
    accelerators = config.system("target").get("accelerators") or [{}]
    return str((accelerators[0].get("execution_providers") or [CPU])[0])


def _data_config(config: OliveConfig, name: str) -> dict[str, Any] | None:
    rows = config.content.get("data_configs") or ()
    return next((one for one in rows if one.get("name") == name), None)
