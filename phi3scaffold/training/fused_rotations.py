"""Rotary positions in three passes over memory instead of six, and as few backward.

transformers turns queries and keys by a negation, two concatenations, two products and a sum, each
a tensor of its own that autograd takes apart again.
"""

from __future__ import annotations

from types import FunctionType, MethodType
from typing import Any

import torch
from torch.autograd.function import once_differentiable

NAME = "apply_rotary_pos_emb"  # in the modules of all families of transformers


class _Rotation(torch.autograd.Function):
    """``x cos + (-x_2, x_1) sin`` over the halves of x (https://arxiv.org/abs/2104.09864)."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        """Turn the first of the d values of x [..., T, d] by cos and sin [..., T, r], r <= d."""
        ctx.save_for_backward(cos, sin)
        return _turned(x, cos, sin, -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        cos, sin = ctx.saved_tensors
        return _turned(gradient, cos, sin.roll(sin.shape[-1] // 2, -1), 1), None, None


def _turned(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, sign: int) -> torch.Tensor:
    """Return x cos, plus the other half times sin; `sign` is that of the first half's."""
    size = cos.shape[-1]
    half = size // 2
    if size == x.shape[-1]:
        result = x * cos
    else:  # the rest stays
        result = x.clone()
        result[..., :size] *= cos
    result[..., :half].addcmul_(x[..., half:size], sin[..., :half], value=sign)
    result[..., half:size].addcmul_(x[..., :half], sin[..., half:], value=-sign)
    return result


def rotate(
    query: torch.Tensor,
    key: torch.Tensor,
    cos: torch.Tensor,
    sin: torch.Tensor,
    unsqueeze_dim: int = 1,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Do what the function of transformers does whose name is `NAME`."""
    cos, sin = cos.unsqueeze(unsqueeze_dim), sin.unsqueeze(unsqueeze_dim)
    return _Rotation.apply(query, cos, sin), _Rotation.apply(key, cos, sin)


def fuse_rotations(model: torch.nn.Module) -> None:
    """Give attention layers that call the function of transformers this one instead.

    The layer's own forward runs, with another meaning of that name; no other model sees it.
    """
    for layer in model.modules():
        forward = type(layer).forward
        code = getattr(forward, "__code__", None)
        if code is not None and NAME in code.co_names:
            names = {**forward.__globals__, NAME: rotate}
            ours = FunctionType(code, names, None, forward.__defaults__, forward.__closure__)
            ours.__kwdefaults__ = forward.__kwdefaults__
            layer.forward = MethodType(ours, layer)
