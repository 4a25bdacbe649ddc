"""The settings of a project's Olive passes as pages, cards and tracked runs show them."""

from __future__ import annotations

import json
import re

from phi3scaffold.datasets.private_data import find_secrets
from phi3scaffold.project.olive_config import OliveConfig

SECRET = re.compile(r"token$|secret|password|credential|api_?key", re.I)  # a setting's name


def training_settings(config: OliveConfig) -> list[tuple[str, str]]:
    """Return every setting of the passes as (``pass.key``, value), for pages, cards and records.

    Left out is what is unset, and what looks like a secret: they are passed on.
    """
    found: list[tuple[str, str]] = []
    for name, given in config.passes.items():
        nested = ("training_args", "extra_options")
        flat = {key: value for key, value in given.items() if key not in nested}
        for key in nested:
            flat |= given.get(key) or {}
        for key, value in flat.items():
            if "data_config" in key or value is None:
                continue
            told = ", ".join(map(str, value)) if isinstance(value, list) else value
            told = told if isinstance(told, str) else json.dumps(told)
            if not SECRET.search(key) and not find_secrets(f"{key}={told}"):
                found.append((f"{name}.{key}", told))
    return found
