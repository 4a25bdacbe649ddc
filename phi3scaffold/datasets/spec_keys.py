"""The errors of dataset.yaml that every key can have; `where` is the key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.near_names import did_you_mean


def wrong(key: str, what: str, fix: str) -> ScaffoldError:
    return ScaffoldError(what, where=key, fix=fix)


def refuse_unknown(found: Mapping[Any, Any], known: tuple[str, ...], within: str = "") -> None:
    for key in found:
        if key not in known:
            fix = f"known keys: {', '.join(known)}"
            if near := did_you_mean(str(key), known):
                fix = f"{near} {fix.capitalize()}"
            raise wrong(f"{within}{key}", "Unknown key.", fix)
