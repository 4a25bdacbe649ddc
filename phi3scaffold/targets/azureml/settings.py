"""Which workspace a project's jobs go to. Never a secret: logging in is Azure's own affair."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phi3scaffold.errors import ScaffoldError
from phi3scaffold.project import MARKER, Project, read_yaml

FORMS = ("adapter", "onnx", "merged")  # what `fetch` may be asked for
# setting -> (variable of the environment, key of .azureml/config.json)
SOURCES = {
    "subscription_id": ("AZURE_SUBSCRIPTION_ID", "subscription_id"),
    "resource_group": ("AZURE_RESOURCE_GROUP", "resource_group"),
    "workspace": ("AZUREML_WORKSPACE_NAME", "workspace_name"),
}
CONFIG = Path(".azureml") / "config.json"


@dataclass(frozen=True)
class Settings:
    """A workspace, and what to bring back from it.

    Attributes:
        fetch: some of `FORMS`.
    """

    subscription_id: str
    resource_group: str
    workspace: str
    fetch: tuple[str, ...] = ("adapter", "onnx")


def read_settings(project: Project) -> Settings:
    """The environment first, then .azureml/config.json, then ``azure:`` of project.yaml.

    Raises:
        ScaffoldError: one is missing everywhere, or a file cannot be understood.
    """
    path = project.root / MARKER
    own = read_yaml(path).get("azure") or {}
    if not isinstance(own, dict):
        raise ScaffoldError("`azure` must be a mapping.", where=f"{path}: azure")
    unknown = set(own) - {*SOURCES, "fetch"}
    if unknown:
        raise ScaffoldError(
            f"Unknown key {sorted(unknown)[0]!r}.",
            where=f"{path}: azure",
            fix=f"known keys: {', '.join(SOURCES)}, fetch; secrets have no place here",
        )
    config = _config(project.root / CONFIG)
    found: dict[str, str] = {}
    for name, (variable, key) in SOURCES.items():
        value = os.environ.get(variable) or config.get(key) or own.get(name)
        if value:
            found[name] = str(value)
    missing = [name for name in SOURCES if name not in found]
    if missing:
        variables = ", ".join(SOURCES[name][0] for name in missing)
        raise ScaffoldError(
            f"Which workspace the job goes to is not known: no {', '.join(missing)}.",
            where=f"{path}: azure",
            fix=f"write it there, or download config.json in the studio (ml.azure.com, the "
            f"workspace's menu) to {CONFIG.as_posix()}, or set {variables}",
        )
    return Settings(**found, fetch=forms(own.get("fetch", ["adapter", "onnx"]), f"{path}: azure"))


def forms(names: Any, where: str) -> tuple[str, ...]:
    """Names of forms, the adapter first. Raises ScaffoldError for what is none."""
    wrong = [name for name in names if name not in FORMS] if isinstance(names, list) else [names]
    if wrong:
        raise ScaffoldError(
            f"{wrong[0]!r} is nothing that can be brought back.",
            where=where,
            fix=f"a list of: {', '.join(FORMS)}",
        )
    return tuple(name for name in FORMS if name in names)


def _config(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise ScaffoldError(
            "Not a JSON object.", where=path, fix="download it again in the studio, or remove it"
        )
    return content
