"""Gemma 3, text only: norms on both sides of each block, sliding windows in five of six layers."""

from __future__ import annotations

from phi3scaffold.models.families.family import Family

GEMMA3 = Family(
    name="gemma3_text",
    title="Gemma 3",
    architecture="Gemma3ForCausalLM",
    config_class="Gemma3TextConfig",
    hub_names=r"gemma-3-(270m|1b)",
    qk_norms=True,
    layer_norms=4,
    layers=(
        "norms over each head's queries and keys",
        "sliding windows in five of six layers, with rotations of their own",
    ),
    builder_settings={
        "rope_theta": ("rope_parameters", "full_attention", "rope_theta"),
        "rope_scaling": ("rope_parameters", "full_attention"),
        "rope_local_base_freq": ("rope_parameters", "sliding_attention", "rope_theta"),
    },
    template_features=("no system turn: its text goes before that of the first user turn",),
)
