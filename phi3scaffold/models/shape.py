"""The sizes of a model, from its config.json: how many weights it has, and in which modules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from phi3scaffold.models.families import registry


@dataclass(frozen=True)
class Shape:
    """The sizes that decide memory and speed.

    Attributes:
        vocab: tokens.
        hidden, intermediate: the widths of a layer.
        layers: how many there are.
        heads, kv_heads: of attention; fewer keys and values than queries share them.
        context: positions.
        original_context: positions the model was first trained for; longer contexts use longrope.
        head_size: of a head; None where the heads share `hidden` among them.
        partial_rotary: share of each head's dimensions that is rotated.
        tied: the output layer is the embedding.
        qkv_bias: q, k and v have a bias.
        qk_norms: each head's queries and keys are normalized.
        layer_norms: norms of a layer over its whole width.
        rope: how positions are stretched, as config.json calls it; "" where they are not.
        window: tokens that most layers see; None where every layer sees all.
    """

    vocab: int
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    context: int
    original_context: int
    head_size: int | None = None
    partial_rotary: float = 1.0
    tied: bool = False
    qkv_bias: bool = False
    qk_norms: bool = False
    layer_norms: int = 2
    rope: str = ""
    window: int | None = None

    @property
    def head_dim(self) -> int:
        return self.head_size or self.hidden // self.heads

    @property
    def rope_factors(self) -> int:
        """How many short and how many long factors longrope needs; 0 without longrope."""
        if self.context == self.original_context:
            return 0
        return int(self.head_dim * self.partial_rotary) // 2

    @property
    def modules(self) -> Mapping[str, tuple[int, int]]:
        """The linear modules of a layer, apart and fused -> their inputs and outputs."""
        queries, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim
        return {
            "q_proj": (self.hidden, queries),
            "k_proj": (self.hidden, keys),
            "v_proj": (self.hidden, keys),
            "o_proj": (queries, self.hidden),
            "gate_proj": (self.hidden, self.intermediate),
            "up_proj": (self.hidden, self.intermediate),
            "down_proj": (self.intermediate, self.hidden),
            "qkv_proj": (self.hidden, queries + 2 * keys),
            "gate_up_proj": (self.hidden, 2 * self.intermediate),
        }

    @property
    def linear_weights(self) -> int:
        """The weights in the matrices of all layers."""
        sizes = self.modules
        fused = ("qkv_proj", "o_proj", "gate_up_proj", "down_proj")
        return self.layers * sum(sizes[name][0] * sizes[name][1] for name in fused)

    @property
    def parameters(self) -> int:
        biases = (self.heads + 2 * self.kv_heads) * self.head_dim if self.qkv_bias else 0
        norms = self.layer_norms * self.hidden + (2 * self.head_dim if self.qk_norms else 0)
        embeddings = self.vocab * self.hidden * (1 if self.tied else 2)
        last_norm = self.hidden
        return embeddings + self.linear_weights + self.layers * (biases + norms) + last_norm

    @property
    def features(self) -> tuple[str, ...]:
        """What sets it apart from the plain architecture, in words for people."""
        found = []
        if self.rope_factors:
            found.append("longrope")
        elif self.rope:
            found.append(f"RoPE scaling {self.rope}")
        if self.kv_heads < self.heads:
            found.append(f"grouped-query attention {self.heads}:{self.kv_heads}")
        if self.tied:
            found.append("tied embeddings")
        if self.partial_rotary < 1:
            found.append(f"partial rotary {self.partial_rotary:g}")
        if self.window:
            found.append(f"sliding window {self.window}")
        return tuple(found)


def shape_of(config: Mapping[str, Any]) -> Shape:
    """Return the shape that a config.json describes. Raises KeyError when a size is missing."""
    family = registry.family_of(config.get("architectures") or ()) or registry.DEFAULT
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    context = int(config.get("max_position_embeddings", 4096))
    heads = int(config["num_attention_heads"])
    kind = str(rope.get("rope_type") or rope.get("type") or "default")
    return Shape(
        vocab=int(config["vocab_size"]),
        hidden=int(config["hidden_size"]),
        intermediate=int(config["intermediate_size"]),
        layers=int(config["num_hidden_layers"]),
        heads=heads,
        kv_heads=int(config.get("num_key_value_heads") or heads),
        context=context,
        original_context=int(config.get("original_max_position_embeddings") or context),
        head_size=int(config["head_dim"]) if config.get("head_dim") else None,
        partial_rotary=float(
            config.get("partial_rotary_factor") or rope.get("partial_rotary_factor") or 1.0
        ),
        tied=bool(config.get("tie_word_embeddings", False)),
        qkv_bias=family.qkv_bias or bool(config.get("attention_bias")),
        qk_norms=family.qk_norms,
        layer_norms=family.layer_norms,
        rope="" if kind == "default" else kind,
        window=_window(config),
    )


def _window(config: Mapping[str, Any]) -> int | None:
    """Return the sliding window, where one is used and hides something."""
    window, context = config.get("sliding_window"), config.get("max_position_embeddings", 4096)
    if not window or not config.get("use_sliding_window", True) or window >= context:
        return None
    return int(window)
