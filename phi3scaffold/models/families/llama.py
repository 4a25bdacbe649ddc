"""Llama 3.2, SmolLM2: the plain decoder that the others vary."""

from __future__ import annotations

from phi3scaffold.models.families.family import Family

LLAMA = Family(
    name="llama",
    title="Llama",
    architecture="LlamaForCausalLM",
    config_class="LlamaConfig",
    hub_names=r"llama|vicuna|smollm2?-",
    template_features=(
        "Llama 3.2 writes the date into the system turn",
        "SmolLM2 writes a system turn of its own if there is none",
    ),
)
