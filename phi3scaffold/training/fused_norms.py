"""Root mean square norms that keep their input and nothing else for the backward pass."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch.autograd.function import once_differentiable


class _FrozenNorm(torch.autograd.Function):
    """``x / rms(x) * w`` with w frozen (https://arxiv.org/abs/1910.07467); float32 inside."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
        """Norm x [..., d] by its last dimension; weight [d]."""
        exact = x.float()
        lengths = torch.linalg.vector_norm(exact, dim=-1, keepdim=True)
        factor = (lengths.square() / x.shape[-1] + epsilon).rsqrt()
        ctx.save_for_backward(x, weight, factor)
        if exact is x:  # of float32: not ours to change
            return exact * factor * weight
        return exact.mul_(factor).to(x.dtype) * weight

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        x, weight, factor = ctx.saved_tensors
        of_norm = (gradient * weight).float()
        norm = x.float()
        norm = norm * factor if norm is x else norm.mul_(factor)
        along = (of_norm * norm).mean(-1, keepdim=True)
        return of_norm.addcmul_(norm, along, value=-1).mul_(factor).to(x.dtype), None, None


def fuse_norms(model: torch.nn.Module) -> None:
    """Give the norms that are not trained a quicker forward; others stay as they are."""
    for layer in model.modules():
        # those of transformers with this attribute; Gemma's, which add one, call it otherwise
        epsilon = getattr(layer, "variance_epsilon", None)
        weight = getattr(layer, "weight", None)
        if epsilon is not None and weight is not None and not weight.requires_grad:
            layer.forward = partial(_normed, layer)


def _normed(layer: Any, x: torch.Tensor) -> torch.Tensor:
    result: torch.Tensor = _FrozenNorm.apply(x, layer.weight, layer.variance_epsilon)
    return result
