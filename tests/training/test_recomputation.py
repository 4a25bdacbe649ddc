"""Layers recompute their activations only as far as the free memory asks for it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from phi3scaffold.pipeline import environment
from phi3scaffold.training.recomputation import ActivationShape, apply, choose
from tests.support.model_features import FEATURES
from tests.support.random_models import small_vocabulary

environment.prepare()  # before torch: its threads sleep while they wait
pytestmark = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("torch", "peft"))), reason="needs torch and peft"
)
GIB = 2**30
MINI = ActivationShape(
    hidden=3072, intermediate=8192, heads=32, head_dim=96, layers=32, vocab=32064
)


def test_more_memory_never_recomputes_more_and_what_is_chosen_fits() -> None:
    layers = []
    for free in range(1, 12):
        choice = choose(MINI, tokens=1024, row=512, labels=100, free=free * GIB)
        layers.append(choice.layers)
        assert choice.bytes <= choice.free or choice.layers == choice.of
    assert layers == sorted(layers, reverse=True)
    assert layers[0] > 0 and layers[-1] == 0
    assert "keeps all activations" in str(choice)


def test_the_words_name_the_layers_and_the_bytes() -> None:
    choice = choose(MINI, tokens=1024, row=512, labels=100, free=3 * GIB)
    assert str(choice).startswith(f"recomputes the activations of {choice.layers} of 32 layers (")
    assert "3.0 GiB are free" in str(choice)


@pytest.mark.parametrize("widths", [(256, 768, 4, 4), (192, 512, 6, 2)])
def test_the_estimate_is_what_a_layer_keeps(widths: tuple[int, ...], tmp_path: Path) -> None:
    """Within a fifth of the bytes that autograd saves, adapters and shared tokens included."""
    hidden, intermediate, heads, key_heads = widths
    model = small(hidden, intermediate, heads, key_heads)
    saved, expected = saved_and_expected(model, tmp_path)
    assert saved == pytest.approx(expected, rel=0.2)


@pytest.mark.parametrize("name", ["llama-3.2-1b", "qwen2.5-0.5b", "qwen3-0.6b", "gemma-3-270m"])
def test_the_estimate_holds_for_other_families(name: str, tmp_path: Path) -> None:
    """At most a fifth too little, whatever norms, biases and projections apart add or spare."""
    import torch

    model = small_vocabulary(name).to(torch.bfloat16)
    model = with_adapters(model, list(FEATURES[name].family.target_modules))
    saved, expected = saved_and_expected(model, tmp_path)
    assert 0.7 * expected <= saved <= 1.2 * expected


def saved_and_expected(model: Any, folder: Path) -> tuple[int, int]:
    """Return the bytes that autograd saves of a pass, and what is reckoned."""
    import torch

    trainer, batch = in_training(model, folder)
    (one,) = batch["passes"]
    tokens = one["input_ids"].shape[1]
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    saved: dict[int, int] = {}

    def note(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    model.train()
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        loss, _, _ = trainer.summed_loss(model, one)
    shape = ActivationShape.of(model.get_base_model().config)
    expected = shape.layers * shape.layer(tokens, row=60) + shape.logits(len(one["targets"]))
    assert float(loss.detach()) > 0
    return sum(saved.values()), expected


def test_layers_that_recompute_give_the_same_gradients(tmp_path: Path) -> None:
    import torch

    model = small(64, 128, 2, 2, layers=4, dtype=torch.float32)
    trainer, batch = in_training(model, tmp_path)
    count = (batch["labels"] != -100).sum()
    found = []
    for layers in (0, 3):
        apply(model.get_base_model(), layers)
        stack = model.get_base_model().model.layers
        assert [one.gradient_checkpointing for one in stack].count(True) == layers
        model.zero_grad()
        trainer.training_step(model, batch, count)
        found.append([w.grad.clone() for w in model.parameters() if w.grad is not None])
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def small(
    hidden: int, intermediate: int, heads: int, key_heads: int, layers: int = 3, dtype: Any = None
) -> Any:
    import torch
    from transformers import Phi3Config, Phi3ForCausalLM

    torch.manual_seed(0)
    config = Phi3Config(
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=key_heads,
        vocab_size=500,
        pad_token_id=0,
    )
    base = Phi3ForCausalLM(config).to(dtype or torch.bfloat16)
    return with_adapters(base, ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"])


def with_adapters(base: Any, modules: list[str]) -> Any:
    from peft import LoraConfig, get_peft_model

    model = get_peft_model(base, LoraConfig(r=4, target_modules=modules, task_type="CAUSAL_LM"))
    for weight in model.parameters():
        if weight.requires_grad:
            weight.data = weight.data.float()
    return model


def in_training(model: Any, folder: Path) -> tuple[Any, Any]:
    """A trainer, and a batch of eight rows of 60 tokens, 20 of them shared."""
    import torch
    import transformers

    from phi3scaffold.training.trainer import AnswerTrainer

    in_bfloat16 = next(model.parameters()).dtype == torch.bfloat16
    arguments = transformers.TrainingArguments(
        output_dir=str(folder), use_cpu=True, report_to=[], disable_tqdm=True, bf16=in_bfloat16
    )
    trainer = AnswerTrainer(model=model, args=arguments, max_tokens=60)
    chance = torch.Generator().manual_seed(1)
    shared = torch.randint(1, 500, (20,), generator=chance)
    rows = []
    for _ in range(8):
        ids = torch.cat([shared, torch.randint(1, 500, (40,), generator=chance)])
        labels = torch.full_like(ids, -100)
        labels[-3:] = ids[-3:]
        rows.append({"input_ids": ids, "labels": labels})
    return trainer, trainer.data_collator(rows)
