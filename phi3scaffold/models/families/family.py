"""What a model family is: how its checkpoints, chat templates and builders differ from others'."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


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
        foreign_modules: module of another family -> the one that does its work here.
        builder_blocks: block of a layer as ModelBuilder names it -> as the checkpoint does.
        old_rope_types: what older configurations call longrope.
        template_features: what the chat templates and tokenizers of the family have in common and
            others may lack, in words for people.
    """

    name: str
    title: str
    architecture: str
    config_class: str
    target_modules: tuple[str, ...]
    fused: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    foreign_modules: Mapping[str, str] = field(default_factory=dict)
    builder_blocks: Mapping[str, str] = field(default_factory=dict)
    old_rope_types: tuple[str, ...] = ()
    template_features: tuple[str, ...] = ()

    def own_module(self, name: str) -> str:
        """Return this family's module for a name of this or of another family."""
        parts = {part: whole for whole, parts in self.fused.items() for part in parts}
        return {**parts, **self.foreign_modules}.get(name, name)

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
