"""Read the settings of a project's Olive passes as pages, cards and tracked runs show them."""

from __future__ import annotations

import json
import re

from phi3scaffold.datasets.private_data import find_secrets
from phi3scaffold.project.olive_config import OliveConfig

SECRET = re.compile(r"token$|secret|password|credential|api_?key", re.I)  # a setting's name


def training_settings(config: OliveConfig) -> list[tuple[str, str]]:
    """Return every setting of the passes as (``pass.key``, value).

    Unset ones are left out, and those that look like a secret.
    """
    settings: list[tuple[str, str]] = []
    for name, config_of_pass in config.passes.items():
        nested = ("training_args", "extra_options")
        flat = {key: value for key, value in config_of_pass.items() if key not in nested}
        for key in nested:
            flat |= config_of_pass.get(key) or {}
        for module, overridden in (flat.pop("overrides", None) or {}).items():
            flat[module] = [f"{key} {value}" for key, value in overridden.items()]
        for key, value in flat.items():
            if "data_config" in key or value is None:
                continue
            text = ", ".join(map(str, value)) if isinstance(value, list) else value
            text = text if isinstance(text, str) else json.dumps(text)
            if not SECRET.search(key) and not find_secrets(f"{key}={text}"):
                settings.append((f"{name}.{key}", text))
    return settings
