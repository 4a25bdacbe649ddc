"""The memory that training takes at least: weights, adapter and optimizer, and the smallest pass.

At least: where more is free, layers keep their activations instead of recomputing them
(recomputation.py), which is faster. Reckoned from the shape. LoRA's estimate was within a tenth of
what a Phi-3-mini of full size took, and 11 to 16 % above what models of 135 and 360 million weights
took. QLoRA's is too low for small models: 1.5 GiB where 2.3 were seen (tests/benchmarks).
"""

from __future__ import annotations

from collections.abc import Iterable

from phi3scaffold.models.shape import Shape
from phi3scaffold.project.algorithms import ALGORITHMS, Algorithm
from phi3scaffold.training.packing import PASS
from phi3scaffold.training.recomputation import BFLOAT16, FLOAT32, ActivationShape

LIBRARIES = 880_000_000  # bytes of torch, transformers and Olive, loaded
OPTIMIZER = 4 * FLOAT32  # of an adapter's weight: itself, its gradient, and two moments of Adam
# NF4 holds a weight in half a byte, and a scale in float32 for each block of 64.
NF4 = 0.5 + FLOAT32 / 64
ROW, LABELS = 256, 256  # of a pass, with rows of a usual length


def training_memory(
    shape: Shape,
    modules: Iterable[str],
    algorithm: Algorithm,
    *,
    rank: int | None = None,
    size: int = BFLOAT16,
) -> int:
    """Return the bytes that training an adapter takes at least, on a CPU.

    Args:
        modules: that get an adapter.
        rank: of the adapter; the algorithm's own where it is not said.
        size: bytes of a frozen weight, where it is not held in 4 bits.
    """
    whole = shape.parameters
    base = float(whole * size)
    if algorithm.four_bit_base:
        base = shape.linear_weights * NF4 + (whole - shape.linear_weights) * size
    widths = sum(sum(shape.modules[name]) for name in modules if name in shape.modules)
    scale = algorithm.adapter_size * (rank or algorithm.rank) / algorithm.rank
    adapter = LORA_RANK * shape.layers * widths * scale
    activations = ActivationShape.of_shape(shape).least(PASS, ROW, LABELS, size)
    return round(LIBRARIES + base + adapter * OPTIMIZER + activations)


LORA_RANK = ALGORITHMS[0].rank  # `Algorithm.adapter_size` is in adapters of LoRA of that rank
