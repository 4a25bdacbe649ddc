"""The environment of a `make` that a test starts."""

from __future__ import annotations

import os
from collections.abc import Mapping

# A make around the suite (`make test ARGS=...`) hands its variables down in these, and where it
# counts the makes, the inner one prints the folders that it enters.
OUTER = ("MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS", "MAKELEVEL", "ARGS")


def inner_make(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return an environment without what a make around the suite put into it."""
    return {name: value for name, value in environment.items() if name not in OUTER}
