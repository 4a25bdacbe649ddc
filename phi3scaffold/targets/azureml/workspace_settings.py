"""Which workspace a project's jobs go to. Never a secret: logging in is Azure's own affair."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.files import read_yaml
from phi3scaffold.project.layout import PROJECT_FILE
from phi3scaffold.project.settings import Project

FORMS = ("adapter", "onnx", "merged")  # what `fetch` may be asked for
# setting -> (variable of the environment, key of .azureml/config.json)
SOURCES = {
    "subscription_id": ("AZURE_SUBSCRIPTION_ID", "subscription_id"),
    "resource_group": ("AZURE_RESOURCE_GROUP", "resource_group"),
    "workspace": ("AZUREML_WORKSPACE_NAME", "workspace_name"),
}
OTHERS = ("fetch", "hf_token_secret", "key_vault")
NAME = re.compile(r"[A-Za-z0-9-]{1,127}")
CONFIG = Path(".azureml") / "config.json"


@dataclass(frozen=True)
class WorkspaceSettings:
    """A workspace, and what to bring back from it.

    `hf_token_secret` names the secret of Key Vault that holds the hub's token. Without `key_vault`
    it lies in the workspace's own.
    """

    subscription_id: str
    resource_group: str
    workspace: str
    fetch: tuple[str, ...] = ("adapter", "onnx")
    hf_token_secret: str | None = None
    key_vault: str | None = None

    @property
    def group_path(self) -> str:
        """The resource group, as Resource Manager writes it."""
        return f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"

    @property
    def path(self) -> str:
        """The workspace, as Resource Manager writes it."""
        kind = "Microsoft.MachineLearningServices/workspaces"
        return f"{self.group_path}/providers/{kind}/{self.workspace}"


def placeholder(name: str) -> str:
    """Return what stands for a value that is not known, in a request that is only shown."""
    return f"<{name}>"


def how_to_fill(name: str) -> str:
    """Return where a setting that is missing may be written."""
    return (
        f"phi3scaffold set azure.{name}=VALUE; or {CONFIG.as_posix()} of the studio; "
        f"or the variable {SOURCES[name][0]}"
    )


def read_settings(project: Project, *, shown: bool = False) -> WorkspaceSettings:
    """Read the environment first, then .azureml/config.json, then ``azure:`` of project.yaml.

    Args:
        project: whose.
        shown: they are only shown: a `placeholder` stands for what is missing.

    Raises:
        ScaffoldError: one is missing everywhere, or a file cannot be understood.
    """
    path = project.root / PROJECT_FILE
    own = read_yaml(path).get("azure") or {}
    fetched = check_own(own, path)
    found = {name: value for name, (value, _) in found_where(project, own).items()}
    missing = [name for name in SOURCES if name not in found]
    if shown:
        found |= {name: placeholder(name) for name in missing}
    elif missing:
        variables = ", ".join(SOURCES[name][0] for name in missing)
        raise ScaffoldError(
            f"Which workspace the job goes to is not known: no {', '.join(missing)}.",
            where=f"{path}: azure",
            fix=f"write it there, or download config.json in the studio (ml.azure.com, the "
            f"workspace's menu) to {CONFIG.as_posix()}, or set {variables}",
        )
    return WorkspaceSettings(
        **found,
        fetch=fetched,
        hf_token_secret=own.get("hf_token_secret"),
        key_vault=own.get("key_vault"),
    )


def forms_to_fetch(project: Project) -> tuple[str, ...]:
    """Return the forms that ``azure.fetch`` of project.yaml names, wherever the workspace is."""
    path = project.root / PROJECT_FILE
    return check_own(read_yaml(path).get("azure") or {}, path)


def found_where(project: Project, own: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Return setting -> (its value, where it was found); `own` is ``azure:`` of project.yaml.

    Raises:
        ScaffoldError: .azureml/config.json cannot be understood.
    """
    config = _config(project.root / CONFIG)
    found = {}
    for name, (variable, key) in SOURCES.items():
        for value, source in (
            (os.environ.get(variable), variable),
            (config.get(key), CONFIG.as_posix()),
            (own.get(name), f"{PROJECT_FILE}: azure"),
        ):
            if value:
                found[name] = (str(value), source)
                break
    return found


def check_own(own: Any, path: Path) -> tuple[str, ...]:
    """Refuse what ``azure:`` of project.yaml cannot hold; which workspace may be said elsewhere.

    Returns:
        The forms to fetch, the adapter first.

    Raises:
        ScaffoldError: names the key that is wrong.
    """
    if not isinstance(own, dict):
        raise ScaffoldError("`azure` must be a mapping.", where=f"{path}: azure")
    unknown = set(own) - {*SOURCES, *OTHERS}
    if unknown:
        raise ScaffoldError(
            f"Unknown key {sorted(unknown)[0]!r}.",
            where=f"{path}: azure",
            fix=f"known keys: {', '.join((*SOURCES, *OTHERS))}; secrets have no place here",
        )
    for key in ("hf_token_secret", "key_vault"):
        value = own.get(key)  # anything but a name as Key Vault has them could be the secret itself
        if value is not None and not (isinstance(value, str) and NAME.fullmatch(value)):
            raise ScaffoldError(
                "It is no name that Key Vault has.",
                where=f"{path}: azure.{key}",
                fix="the name, not the value: letters, digits and dashes, such as hf-token",
            )
    return forms(own.get("fetch", ["adapter", "onnx"]), f"{path}: azure.fetch")


def forms(names: Any, where: str) -> tuple[str, ...]:
    """Return names of forms, the adapter first. Raises ScaffoldError for what is none."""
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
