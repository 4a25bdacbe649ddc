"""Qwen2.5: a bias on q, k and v."""

from __future__ import annotations

from phi3scaffold.models.families.family import Family

QWEN2 = Family(
    name="qwen2",
    title="Qwen2.5",
    architecture="Qwen2ForCausalLM",
    config_class="Qwen2Config",
    hub_names=r"qwen(1\.5|2|2\.5)-|distill-qwen-",
    qkv_bias=True,
    layers=("a bias on q, k and v",),
    template_features=("writes a system turn of its own if there is none",),
)
