"""What ModelBuilder of ONNX Runtime GenAI 0.14.1 needs for some families, while it runs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from phi3scaffold.models.families.family import Family


@contextlib.contextmanager
def builder_for(family: Family) -> Iterator[None]:
    """Let ModelBuilder find a family's settings, and leave the rotation out where layers have none.

    It reads some settings where transformers 4 had them. In layers without positions it switches
    the rotation inside the attention off, and then adds one before it, for which it has no input.
    Where sliding layers have a rotation of their own, it scales that like the others'. And the
    bytes of its tables of cosines are not always the same.
    """
    import transformers

    config_class = getattr(transformers, family.config_class)
    with contextlib.ExitStack() as repairs:
        repairs.enter_context(_repeatable_tables())
        for name, path in family.builder_settings.items():
            setattr(config_class, name, _setting(path))
            repairs.callback(delattr, config_class, name)
        if family.positionless:
            repairs.enter_context(_no_rotation())
        if "rope_local_base_freq" in family.builder_settings:
            repairs.enter_context(_unscaled_local_rotation())
        yield


@contextlib.contextmanager
def _repeatable_tables() -> Iterator[None]:
    """Compute the tables in float64: in float32 the last bit depends on where the memory lies."""
    import torch
    from onnxruntime_genai.models.builder import Model

    original = Model.make_rotary_embedding_caches_from_scratch

    def make_tables(self: Any) -> Any:
        with contextlib.ExitStack() as exact:
            for name in ("cos", "sin"):
                function = getattr(torch.Tensor, name)
                exact.callback(setattr, torch.Tensor, name, function)
                setattr(torch.Tensor, name, lambda x, f=function: f(x.double()).to(x.dtype))
            return original(self)

    Model.make_rotary_embedding_caches_from_scratch = make_tables
    try:
        yield
    finally:
        Model.make_rotary_embedding_caches_from_scratch = original


def _setting(path: Sequence[str]) -> Any:
    """Return a property of a configuration that reads a setting at another place."""

    def read(config: Any) -> Any:
        first, *others = path
        value = getattr(config, first)
        for key in others:
            value = value[key]
        return value

    return property(read)


@contextlib.contextmanager
def _no_rotation() -> Iterator[None]:
    from onnxruntime_genai.models.builder import SmolLM3Model

    original = SmolLM3Model.make_attention

    def make_attention(self: Any, layer_id: int, *arguments: Any, **settings: Any) -> None:
        self.attention_attrs["rope"] = bool(self.no_rope_layers[layer_id])
        original(self, layer_id, *arguments, **settings)
        self.attention_attrs["rope"] = True

    SmolLM3Model.make_attention = make_attention
    try:
        yield
    finally:
        SmolLM3Model.make_attention = original


@contextlib.contextmanager
def _unscaled_local_rotation() -> Iterator[None]:
    from onnxruntime_genai.models.builder import Gemma3Model

    parent = Gemma3Model.__mro__[1]  # its own method only chooses between the two rotations
    original = parent.make_rotary_embedding_caches

    def make_caches(self: Any, **names: str) -> Any:
        if names.get("cos_cache_name") == "cos_cache_local":
            self.rope_attrs.update(rescale_factors=1, mscale=1)
            self.rope_attrs.pop("rescale_inv_freq", None)
        return original(self, **names)

    parent.make_rotary_embedding_caches = make_caches
    try:
        yield
    finally:
        del parent.make_rotary_embedding_caches
