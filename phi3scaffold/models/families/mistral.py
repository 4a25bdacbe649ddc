"""Mistral 7B: Llama's layers, with a sliding window in some versions."""

from __future__ import annotations

from phi3scaffold.models.families.family import Family

MISTRAL = Family(
    name="mistral",
    title="Mistral",
    architecture="MistralForCausalLM",
    config_class="MistralConfig",
    hub_names=r"mistral-(7b|nemo)|ministral-8b|zephyr-7b",
    template_features=("no system turn: its text goes into a user turn",),
)
