"""How many layers recompute their activations in the backward pass: as few as memory allows.

Keeping everything is a third faster than recomputing everything (gradient checkpointing, Chen et
al., arXiv:1604.06174); a layer that recomputes keeps nothing but its input. What a layer keeps is
reckoned from the shapes in the model's configuration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from phi3scaffold.models.shape import Shape
from phi3scaffold.project.formatting import binary_size

BFLOAT16 = 2  # bytes
FLOAT32 = 4
SPARE = 0.15  # of the free memory: for what else the machine does, and what the allocator wastes
# Values that a layer keeps for each token, in terms of its widths; found with
# torch.autograd.graph.saved_tensors_hooks over a Phi-3 layer with adapters (tests/training).
OF_HIDDEN, OF_HEADS, OF_INTERMEDIATE = 6, 5, 4


@dataclass(frozen=True)
class ActivationShape:
    """The widths of a model that decide what training keeps, from its configuration."""

    hidden: int
    intermediate: int
    heads: int
    head_dim: int
    layers: int
    vocab: int

    @classmethod
    def of(cls, config: Any) -> ActivationShape:
        """Read the widths off a configuration of transformers."""
        heads = config.num_attention_heads
        return cls(
            hidden=config.hidden_size,
            intermediate=config.intermediate_size,
            heads=heads,
            head_dim=getattr(config, "head_dim", None) or config.hidden_size // heads,
            layers=config.num_hidden_layers,
            vocab=config.vocab_size,
        )

    @classmethod
    def of_shape(cls, shape: Shape) -> ActivationShape:
        """Take the widths of a model that need not be here."""
        return cls(
            shape.hidden, shape.intermediate, shape.heads, shape.head_dim, shape.layers, shape.vocab
        )

    def layer(self, tokens: int, row: int, size: int = BFLOAT16) -> int:
        """Return the bytes that one layer keeps of a pass.

        Args:
            tokens: of the pass.
            row: the longest row's.
            size: bytes of a value that is computed with.
        """
        widths = (
            OF_HIDDEN * self.hidden
            + OF_HEADS * self.heads * self.head_dim
            + OF_INTERMEDIATE * self.intermediate
        )
        weights = self.heads * row * size  # of attention
        return tokens * (widths * size + weights)

    def layer_input(self, tokens: int, size: int = BFLOAT16) -> int:
        """Return the bytes that a layer keeps which recomputes all else."""
        return tokens * self.hidden * size

    def logits(self, labels: int) -> int:
        """Return the bytes of the vocabulary's part: logits, their softmax and its gradient."""
        return labels * self.vocab * (BFLOAT16 + 3 * FLOAT32)

    def least(self, tokens: int, row: int, labels: int, size: int = BFLOAT16) -> int:
        """Return the bytes of a pass in which every layer recomputes, and of its logits."""
        inputs = self.layers * self.layer_input(tokens, size)
        return inputs + self.layer(tokens, row, size) + self.logits(labels)


@dataclass(frozen=True)
class Recomputation:
    """What was chosen.

    Attributes:
        layers: how many of the model's layers recompute.
        of: how many it has.
        bytes: what the activations take then, at most.
        free: what was free.
    """

    layers: int
    of: int
    bytes: int
    free: int

    def __str__(self) -> str:
        kept = f"{binary_size(self.bytes)} of activations; {binary_size(self.free)} are free"
        if not self.layers:
            return f"keeps all activations ({kept})"
        return f"recomputes the activations of {self.layers} of {self.of} layers ({kept})"


def choose(
    shape: ActivationShape, tokens: int, row: int, labels: int, free: int, size: int = BFLOAT16
) -> Recomputation:
    """Choose how many layers recompute, so that a pass fits into the free memory.

    Args:
        tokens: of the largest pass; `row`: of the longest row; `labels`: of the pass at most.
        free: bytes.
        size: bytes of a value that is computed with.
    """
    whole, least = shape.layer(tokens, row, size), shape.layer_input(tokens, size)
    room = int(free * (1 - SPARE)) - shape.logits(labels)
    # a layer that recomputes has all of its activations while its backward pass runs
    for layers in range(shape.layers + 1):
        kept = (shape.layers - layers) * whole + layers * least + (whole if layers else 0)
        if kept <= room:
            break
    return Recomputation(layers, shape.layers, kept + shape.logits(labels), free)


def apply(model: Any, layers: int) -> None:
    """Make the last layers of a causal model of transformers recompute; the others keep all."""
    if not layers:
        return
    from transformers.modeling_layers import GradientCheckpointingLayer

    model.gradient_checkpointing_enable({"use_reentrant": False})
    stack = [one for one in model.modules() if isinstance(one, GradientCheckpointingLayer)]
    for one in stack[: len(stack) - layers]:
        one.gradient_checkpointing = False
