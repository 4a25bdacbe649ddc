"""LoRA layers in one step of autograd: the frozen product, and the adapter added into it.

PEFT's own forward converts the input to the adapter's float32 and back, multiplies the output by
the scale and adds it to a second tensor of the same size; autograd keeps what lies between. On a
CPU that costs as much as the adapter itself. The mathematics is the same, and the adapter stays in
float32.
"""

from __future__ import annotations

from typing import Any

import torch
from peft.tuners.lora.layer import Linear


class _Adapted(torch.autograd.Function):
    """``x W' + s drop(x) A' B'`` with W frozen (https://arxiv.org/abs/2106.09685, section 4.1)."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        a: torch.Tensor,
        b: torch.Tensor,
        scaling: float,
        keep: torch.Tensor | None,
    ) -> torch.Tensor:
        """x [..., in], weight [out, in], a [rank, in], b [out, rank]; keep: dropout's factors."""
        rows = x.reshape(-1, x.shape[-1]).to(weight.dtype)
        small_a, small_b = a.to(weight.dtype), (b * scaling).to(weight.dtype)
        middle = _kept(rows, keep) @ small_a.t()
        made = (rows @ weight.t()).addmm_(middle, small_b.t())
        ctx.save_for_backward(rows, weight, small_a, small_b, middle, keep)
        ctx.scaling, ctx.shape, ctx.dtype = scaling, x.shape, x.dtype
        return made.view(*x.shape[:-1], weight.shape[0])

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        rows, weight, small_a, small_b, middle, keep = ctx.saved_tensors
        gradient = gradient.reshape(-1, gradient.shape[-1]).to(weight.dtype)
        of_middle = gradient @ small_b
        of_x = None
        if ctx.needs_input_grad[0]:
            of_x = gradient @ weight
            if keep is None:
                of_x.addmm_(of_middle, small_a)
            else:
                of_x.add_(_kept(of_middle @ small_a, keep))
            of_x = of_x.view(ctx.shape).to(ctx.dtype)
        of_a = (of_middle.t() @ _kept(rows, keep)).float()
        of_b = (gradient.t() @ middle).float().mul_(ctx.scaling)
        return of_x, None, of_a, of_b, None, None


def _kept(rows: torch.Tensor, keep: torch.Tensor | None) -> torch.Tensor:
    return rows if keep is None else rows * keep


def fuse(model: torch.nn.Module) -> None:
    """Let the plain LoRA layers of a PeftModel compute in one step; others stay as they are."""
    for layer in model.modules():
        if _is_plain(layer):
            layer.forward = _Forward(layer)


def unfuse(model: torch.nn.Module) -> None:
    """Give the layers PEFT's own forward back."""
    for layer in model.modules():
        if isinstance(layer.__dict__.get("forward"), _Forward):
            del layer.forward


def _is_plain(layer: torch.nn.Module) -> bool:
    """A LoRA layer over an unquantized linear one without bias, and no variant such as DoRA."""
    if type(layer) is not Linear or layer.lora_variant or len(layer.active_adapters) != 1:
        return False
    base = layer.base_layer
    return type(base) is torch.nn.Linear and base.bias is None and not layer.fan_in_fan_out


class _Forward:
    """What takes the place of a layer's `forward`."""

    def __init__(self, layer: Any) -> None:
        (self.name,) = layer.active_adapters
        self.layer = layer

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        layer, name = self.layer, self.name
        weight = layer.base_layer.weight
        share = getattr(layer.lora_dropout[name], "p", 0.0) if layer.training else 0.0
        keep = None
        if share:
            ones = torch.ones(x.numel() // x.shape[-1], x.shape[-1], dtype=weight.dtype)
            keep = torch.nn.functional.dropout(ones.to(x.device), share)
        a, b = layer.lora_A[name].weight, layer.lora_B[name].weight
        return _Adapted.apply(x, weight, a, b, layer.scaling[name], keep)
