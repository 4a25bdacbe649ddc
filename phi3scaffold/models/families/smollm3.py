"""SmolLM3: every fourth layer has no positions; it thinks."""

from __future__ import annotations

from phi3scaffold.models.families.family import Family

SMOLLM3 = Family(
    name="smollm3",
    title="SmolLM3",
    architecture="SmolLM3ForCausalLM",
    config_class="SmolLM3Config",
    hub_names=r"smollm3-",
    positionless=True,
    layers=("no positions in every fourth layer",),
    template_features=(
        "can think before it answers; this is switched off",
        "writes the date into the system turn",
    ),
)
