"""The quicker forward of adapter layers computes what PEFT's own does, and gives its gradients."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.random_models import unfuse

if TYPE_CHECKING:
    import torch

pytestmark = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("torch", "peft"))), reason="needs torch, peft"
)
IN, OUT = 96, 160
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "LoRA": ("LoraConfig", {"r": 4, "lora_alpha": 8}),
    "DoRA": ("LoraConfig", {"r": 4, "lora_alpha": 8, "use_dora": True}),
    "LoHa": ("LoHaConfig", {"r": 3, "alpha": 6}),
    "LoKr": ("LoKrConfig", {"r": 4, "alpha": 8, "decompose_factor": 4}),
    "LoKr, D whole": ("LoKrConfig", {"r": 64, "alpha": 8, "decompose_factor": 4}),
    "LoKr, C a product": (
        "LoKrConfig",
        {"r": 2, "alpha": 8, "decompose_factor": 8, "decompose_both": True},
    ),
}
# What PEFT computes otherwise, and what would be slower so.
LEFT = {
    "DoRA with dropout": (
        "LoraConfig",
        {"r": 4, "lora_alpha": 8, "lora_dropout": 0.5, "use_dora": True},
    ),
    "LoHa with dropout": ("LoHaConfig", {"r": 3, "alpha": 6, "rank_dropout": 0.5}),
    "LoKr with dropout": ("LoKrConfig", {"r": 3, "alpha": 6, "module_dropout": 0.5}),
    "LoHa of a high rank": ("LoHaConfig", {"r": 12, "alpha": 6}),
}


def adapted(
    kind: str, settings: dict[str, Any], dtype: str = "float32", *, bias: bool = False
) -> torch.nn.Module:
    """A PeftModel over one linear layer; its adapter is far from its start."""
    import peft
    import torch

    torch.manual_seed(0)
    base = torch.nn.Sequential(torch.nn.Linear(IN, OUT, bias=bias, dtype=getattr(torch, dtype)))
    if bias:
        torch.nn.init.normal_(base[0].bias, std=3.0)
    model = peft.get_peft_model(base, getattr(peft, kind)(target_modules=["0"], **settings))
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = torch.randn_like(parameter) * 0.3
    return model


def layer_of(model: Any) -> Any:
    return model.get_base_model()[0]


def passes(model: torch.nn.Module, dtype: str) -> list[torch.Tensor]:
    """The output, and the gradients of the input and of each trained parameter."""
    import torch

    generator = torch.Generator().manual_seed(1)
    x = torch.randn(3, 5, IN, generator=generator).requires_grad_()
    upstream = torch.randn(3, 5, OUT, generator=generator)
    model.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == "bfloat16"):
        made = model(x)
    made.float().backward(upstream)
    trained = [parameter.grad for parameter in model.parameters() if parameter.requires_grad]
    assert all(gradient is not None and gradient.abs().max() > 0 for gradient in trained)
    return [made.detach().float(), x.grad, *trained]


@pytest.mark.parametrize(("dtype", "within"), [("float32", 1e-5), ("bfloat16", 0.02)])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_it_is_peft_s(case: str, bias: bool, dtype: str, within: float) -> None:
    import torch

    from phi3scaffold.training.fused_layers import fuse

    model = adapted(*CASES[case], dtype, bias=bias)
    plain = layer_of(model).forward
    expected = passes(model, dtype)
    fuse(model)
    assert layer_of(model).forward != plain
    for found, right in zip(passes(model, dtype), expected, strict=True):
        assert found.dtype == right.dtype
        assert (found - right).norm() <= within * right.norm()
    unfuse(model)
    assert layer_of(model).forward == plain
    assert all(map(torch.equal, passes(model, dtype), expected))


@pytest.mark.parametrize("case", LEFT)
def test_others_are_left_alone(case: str) -> None:
    from phi3scaffold.training.fused_layers import fuse

    model = adapted(*LEFT[case])
    plain = layer_of(model).forward
    fuse(model)
    assert layer_of(model).forward == plain


def test_dropout_of_a_fused_layer_is_the_adapters_own() -> None:
    """The frozen part stays whole; of the adapter's input the share is left out, scaled up."""
    import torch

    from phi3scaffold.training.fused_layers import _AdaptedLinear

    torch.manual_seed(1)
    x = torch.randn(50, 24, dtype=torch.double, requires_grad=True)
    weight = torch.randn(16, 24, dtype=torch.double)
    a = torch.randn(4, 24, dtype=torch.double, requires_grad=True)
    b = torch.randn(16, 4, dtype=torch.double, requires_grad=True)
    keep = torch.nn.functional.dropout(torch.ones(50, 24, dtype=torch.double), 0.3)
    found = _AdaptedLinear.apply(x, weight, a, b, 0.5, keep, None)
    expected = x @ weight.t() + 0.5 * (x * keep) @ a.t() @ b.t()
    assert torch.allclose(found, expected)
    factors = torch.randn_like(found)
    wanted = torch.autograd.grad((expected * factors).sum(), (x, a, b))
    given = torch.autograd.grad((found * factors).sum(), (x, a, b))
    for one, other in zip(given, wanted, strict=True):
        assert torch.allclose(one.double(), other, atol=1e-4)
