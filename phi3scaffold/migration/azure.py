"""What an old config says about Azure ML: project.yaml's `azure:` and fine-tuning/job.yml now."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from phi3scaffold.datasets.formats.registry import is_data_file
from phi3scaffold.generator import template
from phi3scaffold.migration.context import DroppedField, MigrationContext, NeedlessField
from phi3scaffold.migration.conversions import text
from phi3scaffold.migration.old_config import is_placeholder

TOKEN = "hf-token"  # the secret's name that Olive looked for
WORKSPACE = ("subscription_id", "resource_group", "workspace_name")
COMPUTE = re.compile(r"[A-Za-z0-9][\w-]{1,62}")
# Microsoft's own images for what PyTorch was then; the packages of a job need CUDA 12 or later.
OUTDATED = re.compile(r"mcr\.microsoft\.com/azureml/(?!.*cuda1[2-9])", re.I)


def name(value: Any, context: MigrationContext) -> str:
    """Return a name that Azure knows something by."""
    if not context.remote:
        raise NeedlessField(f"--target {context.target} runs here, without Azure")
    return text(value, context)


def compute(value: Any, context: MigrationContext) -> str:
    found = name(value, context).removeprefix("azureml:")
    if not COMPUTE.fullmatch(found):
        raise DroppedField(f"{value!r} is no name of a compute; the template's stays")
    return f"azureml:{found}"


def image(value: Any, context: MigrationContext) -> str:
    found = name(value, context)
    if OUTDATED.match(found):
        why = f"{found} is without CUDA 12, which today's PyTorch needs"
        raise DroppedField(f"{why}; another is used instead")
    return found


def instance_type(value: Any, context: MigrationContext) -> str:
    if not template.targets()[context.target].get("kubernetes"):
        raise NeedlessField("a cluster of the workspace decides its machines")
    return name(value, context)


def instances(value: Any, context: MigrationContext) -> int:
    name("instances", context)
    if value != 1:
        why = "one machine trains; more: fine-tuning/job.yml, distribution and resources"
        raise DroppedField(why)
    return 1


def token(value: Any, context: MigrationContext) -> str:
    """Return the name of the secret; never the token itself."""
    if value is not True or not context.remote:
        raise NeedlessField("the login is this machine's own: HF_TOKEN, or `hf auth login`")
    if not context.vault:
        raise NeedlessField("no Key Vault is named")
    return TOKEN


def registry(_value: Any, context: MigrationContext) -> str:
    """Return the address of a model, put together from several fields."""
    if not context.remote or context.registry is None:
        raise NeedlessField("the weights come from the hub, at the revision of project.yaml")
    return context.registry


def registry_address(fields: Mapping[str, Any]) -> str | None:
    """Return the model's address in a registry or in the workspace; None where a part is missing.

    `fields` maps addresses (see roles.py) to values.
    """
    place = "model.model_path"
    registry, model = fields.get(f"{place}.registry_name"), fields.get(f"{place}.name")
    version = fields.get(f"{place}.version")
    if not is_named(model) or not is_named(str(version or "")):
        return None
    if is_named(registry):
        model = str(model).rpartition("/")[2]
        return f"azureml://registries/{registry}/models/{model}/versions/{version}"
    return f"azureml:{model}:{version}"


def rows(_value: Any, context: MigrationContext) -> str:
    """Return the address of rows in a datastore, put together from several fields."""
    if not context.remote:
        raise DroppedField("a file in the cloud cannot be copied from here")
    if context.cloud is None:
        raise DroppedField("the datastore's file is not named whole")
    return context.cloud


def other_client(value: Any, context: MigrationContext) -> str:
    """Return the workspace of a datastore, where it is not the job's own."""
    if context.cloud and context.cloud.startswith("azureml://subscriptions/"):
        return rows(value, context)
    raise NeedlessField("the job's own workspace: azure in project.yaml")


def rows_address(fields: Mapping[str, Any]) -> str | None:
    """Return ``azureml://datastores/NAME/paths/FILE`` of the rows; None where a part is missing."""
    files = "train.load.data_files"
    whole = fields.get(f"{files}.datastore_url", fields.get(files))
    if isinstance(whole, str) and whole.startswith("azureml://"):
        return whole if _is_file(whole) else None
    store, path = fields.get(f"{files}.datastore_name"), fields.get(f"{files}.relative_path")
    if not is_named(store) or not _is_file(path):
        return None
    address = f"datastores/{store}/paths/{quote(str(path).lstrip('/'))}"
    theirs = [fields.get(f"{files}.azureml_client.{key}") for key in WORKSPACE]
    ours = [
        fields.get(f"engine.azureml_client.{key}", fields.get(f"system.azureml_client.{key}"))
        for key in WORKSPACE
    ]
    if all(map(is_named, theirs)) and all(map(is_named, ours)) and theirs != ours:
        subscription, group, workspace = theirs
        scope = f"subscriptions/{subscription}/resourcegroups/{group}/workspaces/{workspace}"
        return f"azureml://{scope}/{address}"
    return f"azureml://{address}"


def is_named(value: Any) -> bool:
    """Return whether a value is a name, and no placeholder for one."""
    return isinstance(value, str) and bool(value.strip()) and not is_placeholder(value)


def _is_file(path: Any) -> bool:
    return is_named(path) and is_data_file(path)
