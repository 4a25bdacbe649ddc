"""Phi-3, Phi-3.5 and Phi-4: one architecture, with fused projections."""

from __future__ import annotations

from phi3scaffold.models.families.family import Family

PHI3 = Family(
    name="phi3",
    title="Phi-3",
    architecture="Phi3ForCausalLM",
    config_class="Phi3Config",
    hub_names=r"phi-?3(\.5)?-(mini|medium)|phi-4($|-mini|-reasoning)",
    target_modules=("qkv_proj", "o_proj", "gate_up_proj", "down_proj"),
    fused={"qkv_proj": ("q_proj", "k_proj", "v_proj"), "gate_up_proj": ("gate_proj", "up_proj")},
    old_rope_types=("su", "yarn"),
    template_features=("role tags are single tokens; some strip the text that follows",),
)
