"""Every family that is known. A new one is a file beside this one and its name in `FAMILIES`."""

from __future__ import annotations

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


def family_of(architectures: Iterable[object]) -> Family | None:
    """Return the family of a config.json's ``architectures``, or None."""
    names = {str(name) for name in architectures}
    return next((family for family in FAMILIES if family.architecture in names), None)


def architectures_text() -> str:
    """Return the known architectures as messages list them."""
    *first, last = (family.architecture for family in FAMILIES)
    return f"{', '.join(first)} or {last}"
