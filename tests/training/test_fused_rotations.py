"""The quicker rotation computes what transformers' does, and gives its gradients."""

from __future__ import annotations

import importlib
import importlib.util

import pytest

from tests.support.random_models import small_vocabulary, unfuse

pytestmark = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("torch", "transformers"))), reason="needs transformers"
)


@pytest.mark.parametrize(("dtype", "within"), [("float32", 1e-6), ("bfloat16", 0.01)])
@pytest.mark.parametrize(("family", "turned"), [("llama", 16), ("phi3", 16), ("phi3", 12)])
def test_it_is_that_of_transformers(family: str, turned: int, dtype: str, within: float) -> None:
    """Phi-4-mini turns a part of each head."""
    import torch

    from phi3scaffold.training.fused_rotations import NAME, rotate

    theirs = getattr(
        importlib.import_module(f"transformers.models.{family}.modeling_{family}"), NAME
    )
    chance = torch.Generator().manual_seed(1)

    def some(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=chance).to(getattr(torch, dtype))

    both, cos, sin = some(1, 7, 6, 16), some(1, 7, turned), some(1, 7, turned)
    upstream = some(1, 4, 7, 16), some(1, 2, 7, 16)
    found = []
    for function in (theirs, rotate):
        leaf = both.clone().requires_grad_()
        query, key = leaf.transpose(1, 2).split([4, 2], 1)
        results = function(query, key, cos, sin)
        torch.autograd.backward(results, upstream)
        found.append([*(one.detach() for one in results), leaf.grad])
    for expected, ours in zip(*found, strict=True):
        assert ours.dtype == expected.dtype and ours.shape == expected.shape
        assert (ours - expected).float().norm() <= within * expected.float().norm()


@pytest.mark.parametrize(
    "name",
    ["phi-3-mini-4k", "llama-3.2-1b", "qwen2.5-0.5b", "qwen3-0.6b", "smollm3-3b", "gemma-3-270m"],
)
def test_each_family_gets_it_and_its_answers_stay(name: str) -> None:
    import torch

    from phi3scaffold.training.fused_rotations import fuse_rotations

    model = small_vocabulary(name)
    ids = torch.arange(3, 40)[None]
    with torch.no_grad():
        expected = model(ids).logits
        fuse_rotations(model)
        attentions = [layer.self_attn for layer in model.model.layers]
        assert all("forward" in vars(attention) for attention in attentions)
        assert torch.allclose(model(ids).logits, expected, atol=1e-4)
    unfuse(model)
    assert not any("forward" in vars(attention) for attention in attentions)
