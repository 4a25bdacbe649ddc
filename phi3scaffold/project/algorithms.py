"""The fine-tuning algorithms: their names, their traits, why one is refused.

An algorithm is a row of `ALGORITHMS`, and a class in training/passes.py that gives Olive's pass our
rows. The template writes a project's Olive config from the row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Algorithm:
    """One way to fine-tune.

    Attributes:
        name: as `--algo` has it; the type of its pass in small letters.
        olive_type: the type of its pass.
        rank, alpha: what a new project gets.
        rate_factor: its learning rate, in times LoRA's for the same model.
        dropout: for `tiny`, and for a real model; None where its pass has no such setting.
        settings: of its pass alone.
        adapter_size: the weights of its adapter, in those of LoRA's.
        four_bit_base: whether the frozen base is held in 4 bits, and each of its linear layers gets
            an adapter whatever `target_modules` says.
        swappable: whether its adapters can be swapped over one ONNX base.
        refusal: why it cannot be used, and what to do, parted by a semicolon; "" where it can.
        instead: the algorithm that `migrate` takes in its place.
    """

    name: str
    olive_type: str
    rank: int = 16
    alpha: int = 32
    rate_factor: float = 1.0
    dropout: tuple[str, str] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    adapter_size: float = 1.0
    four_bit_base: bool = False
    swappable: bool = False
    refusal: str = ""
    instead: str = ""

    def alpha_for(self, rank: int) -> int:
        """Return alpha in the proportion to the rank that a new project has."""
        return rank * self.alpha // self.rank


ALGORITHMS = (
    Algorithm("lora", "LoRA", dropout=("0.0", "0.0"), swappable=True),
    Algorithm(
        "qlora",
        "QLoRA",
        dropout=("0.0", "0.0"),
        settings={"quant_type": "nf4", "double_quant": False},
        four_bit_base=True,
        swappable=True,
    ),
    Algorithm("dora", "DoRA", dropout=("0.0", "0.0"), adapter_size=1.1),
    Algorithm("loha", "LoHa", alpha=64, rate_factor=2.5, adapter_size=2.0),
    Algorithm(
        "lokr",
        "LoKr",
        rank=32,
        alpha=64,
        rate_factor=10.0,
        settings={"decompose_factor": 4},
        adapter_size=0.5,
    ),
    Algorithm(
        "loftq",
        "LoftQ",
        refusal="Olive 0.13 computes LoftQ's initial weights on an NVIDIA GPU only, and trains "
        "over base weights that it has changed, while every other form here keeps the base "
        "model's; use qlora, or dora where memory is not short",
        instead="qlora",
    ),
)


def algorithm_of(pass_type: object) -> Algorithm | None:
    """Return the algorithm of a pass's type, whatever its letters' case; None for another pass."""
    name = str(pass_type).lower()
    return next((one for one in ALGORITHMS if one.name == name), None)


def has_four_bit_base(pass_type: object) -> bool:
    """Return whether a pass of this type trains over a base in 4 bits."""
    algorithm = algorithm_of(pass_type)
    return algorithm is not None and algorithm.four_bit_base
