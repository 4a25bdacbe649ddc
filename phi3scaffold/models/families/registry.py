"""Every family that is known. A new one is a file beside this one and its name in `FAMILIES`."""

from __future__ import annotations

import re
from collections.abc import Iterable

from phi3scaffold.models.families.family import Family
from phi3scaffold.models.families.gemma3 import GEMMA3
from phi3scaffold.models.families.llama import LLAMA
from phi3scaffold.models.families.mistral import MISTRAL
from phi3scaffold.models.families.phi3 import PHI3
from phi3scaffold.models.families.qwen2 import QWEN2
from phi3scaffold.models.families.qwen3 import QWEN3
from phi3scaffold.models.families.smollm3 import SMOLLM3

FAMILIES: tuple[Family, ...] = (PHI3, LLAMA, QWEN2, QWEN3, SMOLLM3, GEMMA3, MISTRAL)
DEFAULT = PHI3  # of a model that nobody has looked at yet

# Parts of names of models that are of another architecture, though they are called like a family.
OTHERS = re.compile(
    r"vision|-vl\b|multimodal|audio|omni|moe|-a\d+(\.\d+)?b|embed|rerank|reward|guard|llama-?4|llava"
)


def family_of(architectures: Iterable[object]) -> Family | None:
    """Return the family of a config.json's ``architectures``, or None."""
    names = {str(name) for name in architectures}
    return next((family for family in FAMILIES if family.architecture in names), None)


def family_named(ref: str) -> Family | None:
    """Return the family that a hub id's name tells, or None."""
    name = ref.rpartition("/")[2].lower()
    if OTHERS.search(name):
        return None
    # a distilled model is called after both, and is of the one that stands last
    found = [
        (match.start(), family)
        for family in FAMILIES
        if family.hub_names
        for match in re.finditer(family.hub_names, name)
    ]
    return max(found, key=lambda one: one[0])[1] if found else None


def architectures_text() -> str:
    """Return the known architectures as messages list them."""
    *first, last = (family.architecture for family in FAMILIES)
    return f"{', '.join(first)} or {last}"
