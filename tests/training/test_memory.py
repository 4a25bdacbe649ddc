"""The least memory that training takes, reckoned from a model's shape."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phi3scaffold.models import catalogue
from phi3scaffold.models.shape import Shape
from phi3scaffold.project.algorithms import ALGORITHMS, algorithm_of
from phi3scaffold.stages import finetune
from phi3scaffold.training.memory import training_memory

LORA, QLORA = ALGORITHMS[:2]


def memory(name: str, algorithm: str = "lora", **shape: int) -> int:
    entry, found = catalogue.find(name), algorithm_of(algorithm)
    assert entry and entry.shape and found
    return training_memory(replace(entry.shape, **shape), entry.target_modules, found)


def test_it_is_what_was_measured_with_a_phi_3_mini_of_full_size() -> None:
    assert memory("phi-3-mini-4k") == pytest.approx(finetune.PEAK, rel=0.05)


def test_more_of_anything_takes_more() -> None:
    plain = memory("smollm2-135m")
    for field in ("vocab", "hidden", "intermediate", "layers"):
        entry = catalogue.find("smollm2-135m")
        assert entry and isinstance(entry.shape, Shape)
        assert memory("smollm2-135m", **{field: 2 * getattr(entry.shape, field)}) > plain, field


def test_four_bits_leave_the_embeddings_as_they_are() -> None:
    """So that they save little of a small model with many tokens, and most of a large one."""
    share = {
        name: memory(name, "qlora") / memory(name) for name in ("gemma-3-270m", "phi-3-mini-4k")
    }
    assert share["gemma-3-270m"] > 0.85 and share["phi-3-mini-4k"] < 0.5


def test_algorithms_differ_by_the_size_of_their_adapter() -> None:
    sizes = [memory("qwen3-4b", name) for name in ("lokr", "lora", "dora", "loha")]
    assert sizes == sorted(sizes) and len(set(sizes)) == 4
    entry = catalogue.find("qwen3-4b")
    assert entry and entry.shape
    more = training_memory(entry.shape, entry.target_modules, LORA, rank=64)
    assert more > memory("qwen3-4b")
