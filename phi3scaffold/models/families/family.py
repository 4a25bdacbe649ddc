"""What a model family is: how its checkpoints, chat templates and builders differ from others'."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# The linear layers of a decoder, and what models that have them in one, or under another name, call
# them.
LAYERS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
OTHER_NAMES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("qkv_proj", "Wqkv", "query_key_value"), ("q_proj", "k_proj", "v_proj")),
    **dict.fromkeys(("dense", "out_proj"), ("o_proj",)),
    **dict.fromkeys(("gate_up_proj", "fc1"), ("gate_proj", "up_proj")),
    "fc2": ("down_proj",),
}


@dataclass(frozen=True)
class Family:
    """One family of models.

    Attributes:
        name: ``model_type`` in config.json.
        title: the name that people use.
        architecture: the class that config.json names, of transformers.
        config_class: the class of its configuration, of transformers.
        target_modules: the linear layers that get an adapter.
        fused: module of the checkpoint -> the parts that ModelBuilder may make of it, in the order
            of its output features. Other families have the parts as modules of their own.
        qkv_bias: whether q, k and v have a bias.
        qk_norms: whether each head's queries and keys are normalized.
        layer_norms: how many norms a layer has over its whole width.
        positionless: whether some layers have no positions.
        layers: what its layers have that others' have not, in words for people.
        builder_blocks: block of a layer as ModelBuilder names it -> as the checkpoint does.
        hub_names: a pattern of the ends of hub ids whose models are of this architecture, for where
            their config.json cannot be read.
        builder_settings: setting that ModelBuilder reads -> where the configuration has it since
            transformers 5.
        old_rope_types: what older configurations call longrope.
        template_features: what the chat templates and tokenizers of the family have in common and
            others may lack, in words for people.
    """

    name: str
    title: str
    architecture: str
    config_class: str
    target_modules: tuple[str, ...] = LAYERS
    fused: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    qkv_bias: bool = False
    qk_norms: bool = False
    layer_norms: int = 2
    positionless: bool = False
    layers: tuple[str, ...] = ()
    builder_blocks: Mapping[str, str] = field(
        default_factory=lambda: {"attn": "self_attn", "mlp": "mlp"}
    )
    hub_names: str = ""
    builder_settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    old_rope_types: tuple[str, ...] = ()
    template_features: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        """The module of transformers that holds its classes."""
        package = self.name.removesuffix("_text")
        return f"transformers.models.{package}.modeling_{package}"

    def own_modules(self, name: str) -> tuple[str, ...]:
        """Return this family's modules for a name of this or of another family."""
        if name in self.target_modules:
            return (name,)
        whole_of = {part: whole for whole, parts in self.fused.items() for part in parts}
        parts = OTHER_NAMES.get(name, (name,))
        return tuple(dict.fromkeys(whole_of.get(part, part) for part in parts))

    def modernise(self, config: dict[str, Any]) -> list[str]:
        """Rename what today's transformers refuses in a config.json; return the changes."""
        changes: list[str] = []
        rope = config.get("rope_scaling")
        if not isinstance(rope, dict):
            return changes
        for key in ("type", "rope_type"):
            if rope.get(key) in self.old_rope_types:
                changes.append(f"config.json: rope_scaling.{key} {rope[key]} -> longrope")
                rope[key] = "longrope"
        return changes
