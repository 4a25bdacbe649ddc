"""The quicker norm computes what transformers' does, and gives its gradient."""

from __future__ import annotations

import importlib.util

import pytest

pytestmark = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("torch", "transformers"))), reason="needs transformers"
)
NORMS = ("llama.Llama", "phi3.Phi3", "qwen3.Qwen3", "mistral.Mistral", "smollm3.SmolLM3")


@pytest.mark.parametrize(("dtype", "within"), [("float32", 1e-6), ("bfloat16", 0.01)])
@pytest.mark.parametrize("name", NORMS)
def test_it_is_that_of_transformers(name: str, dtype: str, within: float) -> None:
    import torch

    from phi3scaffold.training.fused_norms import fuse_norms

    module, _, prefix = name.partition(".")
    modeling = importlib.import_module(f"transformers.models.{module}.modeling_{module}")
    norm = getattr(modeling, f"{prefix}RMSNorm")(24).to(getattr(torch, dtype))
    norm.weight.data.normal_(1.0, 0.5)
    norm.weight.requires_grad_(False)
    generator = torch.Generator().manual_seed(1)
    x, upstream = (torch.randn(2, 7, 24, generator=generator) for _ in range(2))
    found = []
    for _ in range(2):
        leaf = x.clone().to(norm.weight.dtype).requires_grad_()
        result = norm(leaf)
        result.backward(upstream.to(result.dtype))
        found += [result.detach(), leaf.grad]
        fuse_norms(norm)
    for quicker, plain in zip(found[2:], found[:2], strict=True):
        assert quicker.dtype == plain.dtype
        assert (quicker - plain).float().norm() <= within * plain.float().norm()
    assert "forward" in vars(norm)


def test_a_trained_norm_and_gemma_s_are_left_alone() -> None:
    from transformers.models.gemma3.modeling_gemma3 import Gemma3RMSNorm
    from transformers.models.llama.modeling_llama import LlamaRMSNorm

    from phi3scaffold.training.fused_norms import fuse_norms

    for norm in (LlamaRMSNorm(8), Gemma3RMSNorm(8).requires_grad_(False)):
        fuse_norms(norm)
        assert "forward" not in vars(norm)
