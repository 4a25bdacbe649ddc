"""Every family that is known. A new one is a file beside this one and its name in `FAMILIES`."""

from __future__ import annotations

from collections.abc import Iterable

from phi3scaffold.models.families.family import Family
from phi3scaffold.models.families.phi3 import PHI3

FAMILIES: tuple[Family, ...] = (PHI3,)
DEFAULT = PHI3  # of a model that nobody has looked at yet


def family_of(architectures: Iterable[object]) -> Family | None:
    """Return the family of a config.json's ``architectures``, or None."""
    names = {str(name) for name in architectures}
    return next((family for family in FAMILIES if family.architecture in names), None)


def architectures_text() -> str:
    """Return the known architectures as messages list them."""
    return " or ".join(family.architecture for family in FAMILIES)
