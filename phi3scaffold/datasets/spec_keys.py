"""The errors of dataset.yaml that every key can have; `where` is the key."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from phi3scaffold.project.errors import ScaffoldError


def wrong(key: str, what: str, fix: str) -> ScaffoldError:
    return ScaffoldError(what, where=key, fix=fix)


def refuse_unknown(found: Mapping[Any, Any], known: tuple[str, ...], within: str = "") -> None:
    for key in found:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, 1)
            fix = f"known keys: {', '.join(known)}"
            if near:
                fix = f"did you mean {near[0]}? {fix.capitalize()}"
            raise wrong(f"{within}{key}", "Unknown key.", fix)
