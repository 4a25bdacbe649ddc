"""Adapter layers that compute little more than the frozen product; DoRA, LoHa and LoKr, too.

PEFT's own LoRA converts and adds whole tensors, which autograd keeps; its DoRA, LoHa and LoKr make
the whole change of a weight in every pass. On a CPU that costs as much as the adapter, or three
times the model. The mathematics is the same here, and the adapter stays in float32.
"""

from __future__ import annotations

from typing import Any

import torch
from peft.tuners.loha.layer import Linear as LoHaLinear
from peft.tuners.lokr.layer import Linear as LoKrLinear
from peft.tuners.lora.layer import Linear as LoRALinear
from peft.tuners.lora.variants import DoraLinearVariant


class _AdaptedLinear(torch.autograd.Function):
    """``x W' + s drop(x) A' B' + c``, W and c frozen (https://arxiv.org/abs/2106.09685, 4.1)."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        a: torch.Tensor,
        b: torch.Tensor,
        scaling: float,
        keep: torch.Tensor | None,
        bias: torch.Tensor | None,
    ) -> torch.Tensor:
        """Compute the product of x [..., in], weight [out, in], a [rank, in], b [out, rank].

        keep: dropout's factors. bias: c, [out].
        """
        rows = x.reshape(-1, x.shape[-1]).to(weight.dtype)
        small_a, small_b = a.to(weight.dtype), (b * scaling).to(weight.dtype)
        middle = _dropped(rows, keep) @ small_a.t()
        product = (rows @ weight.t()).addmm_(middle, small_b.t())
        if bias is not None:
            product.add_(bias)
        ctx.save_for_backward(rows, weight, small_a, small_b, middle, keep)
        ctx.scaling, ctx.shape, ctx.dtype = scaling, x.shape, x.dtype
        return product.view(*x.shape[:-1], weight.shape[0])

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
                of_x.add_(_dropped(of_middle @ small_a, keep))
            of_x = of_x.view(ctx.shape).to(ctx.dtype)
        of_a = (of_middle.t() @ _dropped(rows, keep)).float()
        of_b = (gradient.t() @ middle).float().mul_(ctx.scaling)
        return of_x, None, of_a, of_b, None, None, None


def _dropped(rows: torch.Tensor, keep: torch.Tensor | None) -> torch.Tensor:
    return rows if keep is None else rows * keep


def fuse(model: torch.nn.Module) -> None:
    """Give the adapter layers of a PeftModel a quicker forward; others stay as they are."""
    for layer in model.modules():
        kind = _kind(layer)
        if kind:
            layer.forward = kind(layer)


def _kind(layer: Any) -> type[_Forward] | None:
    """Return the forward for a layer: one adapter over an unquantized linear layer."""
    kinds: dict[type, type[_Forward]] = {
        LoRALinear: _LoRA,
        LoHaLinear: _LoHa,
        LoKrLinear: _LoKr,
    }
    kind = kinds.get(type(layer))
    if kind is None or len(layer.active_adapters) != 1:
        return None
    (name,) = layer.active_adapters
    base = layer.base_layer
    if type(base) is not torch.nn.Linear:
        return None
    if kind is not _LoRA:
        wide = kind is _LoHa and layer.r[name] ** 2 > min(base.weight.shape)
        dropped = layer.rank_dropout[name] or layer.module_dropout[name]
        return None if wide or dropped else kind
    if layer.fan_in_fan_out:
        return None
    if not layer.lora_variant:
        return _LoRA
    # with dropout PEFT's DoRA drops the frozen product's input, too: a second product
    plain = not getattr(layer.lora_dropout[name], "p", 0.0)
    return _DoRA if plain and isinstance(layer.lora_variant.get(name), DoraLinearVariant) else None


class _Forward:
    """A replacement for a layer's `forward`."""

    def __init__(self, layer: Any) -> None:
        (self.name,) = layer.active_adapters
        self.layer = layer

    @property
    def weight(self) -> torch.Tensor:
        """The frozen weight, [out, in]."""
        weight: torch.Tensor = self.layer.base_layer.weight
        return weight

    @property
    def bias(self) -> torch.Tensor | None:
        """The frozen bias, [out], where the layer has one."""
        bias: torch.Tensor | None = self.layer.base_layer.bias
        return bias

    @property
    def scaling(self) -> float:
        return float(self.layer.scaling[self.name])

    def parameter(self, name: str) -> torch.Tensor:
        """Return a parameter of the adapter, float32."""
        parameter: torch.Tensor = getattr(self.layer, name)[self.name]
        return parameter

    def adapted(
        self,
        x: torch.Tensor,
        a: torch.Tensor,
        b: torch.Tensor,
        keep: torch.Tensor | None = None,
        *,
        biased: bool = True,
    ) -> torch.Tensor:
        bias = self.bias if biased else None
        product: torch.Tensor = _AdaptedLinear.apply(x, self.weight, a, b, self.scaling, keep, bias)
        return product


class _LoRA(_Forward):
    """``x W' + s drop(x) A' B' + c`` (https://arxiv.org/abs/2106.09685, section 4.1)."""

    @property
    def pair(self) -> tuple[torch.Tensor, torch.Tensor]:
        """A [rank, in] and B [out, rank]."""
        return self.layer.lora_A[self.name].weight, self.layer.lora_B[self.name].weight

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        layer, name = self.layer, self.name
        share = getattr(layer.lora_dropout[name], "p", 0.0) if layer.training else 0.0
        keep = None
        if share:
            ones = torch.ones(x.numel() // x.shape[-1], x.shape[-1], dtype=self.weight.dtype)
            keep = torch.nn.functional.dropout(ones.to(x.device), share)
        return self.adapted(x, *self.pair, keep)


class _DoRA(_LoRA):
    """LoRA's product, each output times ``m / |W + s B A|`` (https://arxiv.org/abs/2402.09353).

    The bias comes after that. The length needs no W + s B A: its square is
    ``|W|^2 + 2 s (W A') . B + s^2 (B (A A')) . B``, row by row. It gets no gradient (section 4.3).
    """

    def __init__(self, layer: Any) -> None:
        super().__init__(layer)
        rows = self.weight.detach().split(1024)
        self.squares = torch.cat([piece.float().square().sum(1) for piece in rows])  # [out]

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        magnitude = self.layer.lora_magnitude_vector[self.name].weight
        factor = (magnitude / self.length()).to(self.weight.dtype)
        product = self.adapted(x, *self.pair, biased=False)
        return product * factor if self.bias is None else torch.addcmul(self.bias, product, factor)

    @torch.no_grad()
    def length(self) -> torch.Tensor:
        """Return the length of each row of the changed weight: [out], float32."""
        a, b = self.pair
        crossed = (self.weight @ a.to(self.weight.dtype).t()).float()
        change = 2 * self.scaling * crossed + self.scaling**2 * (b @ (a @ a.t()))
        return (self.squares + (change * b).sum(1)).clamp_min(0).sqrt()


class _LoHa(_Forward):
    """``x W' + s x ((A1 B1) * (A2 B2))'`` (https://arxiv.org/abs/2108.06098).

    The product by elements of two matrices of rank r is one matrix of rank r^2, whose factors are
    the pairwise products of the two's. Not worth it where that is more than the weight has.
    """

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        out_1, out_2 = self.parameter("hada_w1_a"), self.parameter("hada_w2_a")  # [out, r]
        in_1, in_2 = self.parameter("hada_w1_b"), self.parameter("hada_w2_b")  # [r, in]
        a = (in_1[:, None] * in_2[None]).flatten(0, 1)
        b = (out_1[:, :, None] * out_2[:, None]).flatten(1)
        return self.adapted(x, a, b)


class _LoKr(_Forward):
    """``x W' + s x (C kron D)'``, D = A B or whole (https://arxiv.org/abs/2309.14859).

    x is cut into as many parts as C is wide: D goes over each part, C over the parts.
    """

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        weight, dtype = self.weight, self.weight.dtype
        rows = x.reshape(-1, x.shape[-1]).to(dtype)
        small = (self.factor("lokr_w1") * self.scaling).to(dtype)  # [l, m]
        parts = rows.unflatten(1, (small.shape[1], -1))  # [rows, m, n]
        if self.name in self.layer.lokr_w2:
            change = self.over_parts(small, parts @ self.parameter("lokr_w2").to(dtype).t())
        else:
            middle = parts @ self.parameter("lokr_w2_b").to(dtype).t()  # [rows, m, r]
            change = self.over_parts(small, middle) @ self.parameter("lokr_w2_a").to(dtype).t()
        product = torch.nn.functional.linear(rows, weight, self.bias) + change.flatten(1)
        return product.view(*x.shape[:-1], weight.shape[0])

    def factor(self, name: str) -> torch.Tensor:
        """Return a matrix that is trained whole, or as a product."""
        if self.name in getattr(self.layer, name):
            return self.parameter(name)
        return self.parameter(f"{name}_a") @ self.parameter(f"{name}_b")

    @staticmethod
    def over_parts(small: torch.Tensor, parts: torch.Tensor) -> torch.Tensor:
        """Multiply small [l, m] by parts [rows, m, n]; return [rows, l, n]."""
        return (parts.transpose(1, 2) @ small.t()).transpose(1, 2)
