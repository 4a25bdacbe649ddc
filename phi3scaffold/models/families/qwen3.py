"""Qwen3: a norm over each head's queries and keys; heads of a size of their own; it thinks."""

from __future__ import annotations

from phi3scaffold.models.families.family import Family

QWEN3 = Family(
    name="qwen3",
    title="Qwen3",
    architecture="Qwen3ForCausalLM",
    config_class="Qwen3Config",
    hub_names=r"qwen3-",
    qk_norms=True,
    layers=("norms over each head's queries and keys",),
    template_features=("can think before it answers; this is switched off",),
)
