"""The vault holds the secret that project.yaml names, and the job may read it.

Only where `azure: hf_token_secret` is set. The secret's value is never read here: its versions are
listed. The job reads it as the compute's managed identity.

To fix it: `az keyvault secret set --vault-name VAULT --name SECRET --value ...`; the compute's
identity needs the role Key Vault Secrets User on the vault.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.findings import Finding, Skip
from phi3scaffold.project.settings import Project
from phi3scaffold.targets.azureml.doctor.azure_compute import compute_of, job_of
from phi3scaffold.targets.azureml.errors import AzureRefusal, AzureUnreachable
from phi3scaffold.targets.azureml.login import VAULT
from phi3scaffold.targets.azureml.resource_manager import (
    AUTHORIZATION,
    ML,
    get,
    project_of,
    settings_of,
)
from phi3scaffold.targets.azureml.workspace_settings import WorkspaceSettings
from phi3scaffold.targets.doctor_context import DoctorContext

ID = "D30-azure-vault"
NETWORK_SECONDS = 20
DATA, RESOURCE = "7.4", "2023-07-01"  # of the vault's own interface, and of Resource Manager's
ROLE = "Key Vault Secrets User"
READERS = {  # roles that may read a secret's value, by Azure's own ids
    "4633458b-17de-408a-b874-0445c86b69e6": ROLE,
    "b86a8fe4-44ce-4948-aee5-eccb2c155cd7": "Key Vault Secrets Officer",
    "00482a5a-887f-4fb3-b363-3b7fe8e74483": "Key Vault Administrator",
}


def check(context: DoctorContext) -> Iterator[Finding]:
    project = project_of(context)
    settings = settings_of(context)
    if settings.hf_token_secret is None:
        return
    own = _own_vault(context, settings)
    name = settings.key_vault or own.rsplit("/", 1)[-1]
    yield from _secret(context, name, settings.hf_token_secret)
    if own.lower().endswith(f"/{name.lower()}"):  # another vault's resource group is not known
        yield from _identity(context, project, settings, own)


def _own_vault(context: DoctorContext, settings: WorkspaceSettings) -> str:
    """Return the workspace's own vault, as Resource Manager writes it."""
    try:
        found = get(context, settings.path, ML)
    except (AzureRefusal, AzureUnreachable):
        raise Skip("the workspace cannot be seen") from None
    return str((found.get("properties") or {}).get("keyVault") or "").rstrip("/")


def _secret(context: DoctorContext, vault: str, secret: str) -> Iterator[Finding]:
    url = f"https://{vault}.vault.azure.net"
    where = f"{url}/secrets/{secret}"
    query = {"api-version": DATA, "maxresults": "1"}
    fix = f'az keyvault secret set --vault-name {vault} --name {secret} --value "$HF_TOKEN"'
    try:
        versions = context.login.get(f"{where}/versions", VAULT, query).get("value")
    except AzureUnreachable:
        message = f"The vault {vault} is not there, or cannot be reached"
        yield Finding(ID, "error", message, url, f"az keyvault show --name {vault}")
    except AzureRefusal as error:
        if error.status == 404:
            yield Finding(ID, "error", f"{vault} has no secret {secret}", where, fix)
        else:
            message = f"You may not see whether {vault} has the secret {secret} ({error.status})"
            fix = (
                "az role assignment create --role 'Key Vault Reader' --assignee "
                f"$(az ad signed-in-user show --query id -o tsv) --scope $(az keyvault show "
                f"--name {vault} --query id -o tsv)"
            )
            yield Finding(ID, "note", message, where, fix)
    except ScaffoldError as error:
        raise Skip(error.what) from None
    else:
        if versions:
            yield Finding(ID, "ok", f"{vault} has the secret {secret}", where=where)
        else:
            yield Finding(ID, "error", f"{vault} has no secret {secret}", where, fix)


def _identity(
    context: DoctorContext, project: Project, settings: WorkspaceSettings, vault: str
) -> Iterator[Finding]:
    """Check that the compute's managed identity may read secrets there."""
    try:
        job = job_of(project)
        if not job.get("compute"):
            return  # serverless: the identity is made with the job
        identity = compute_of(context, settings, job).get("identity") or {}
        principals = _principals(identity)
        if not principals:
            return  # azure-compute says so
        properties = get(context, vault, RESOURCE).get("properties") or {}
        allowed = any(_may_read(context, vault, properties, one) for one in principals)
    except (Skip, AzureRefusal, AzureUnreachable):
        return  # azure-compute says so, or you may not see these roles
    if allowed:
        yield Finding(ID, "ok", "the compute's managed identity may read secrets", where=vault)
        return
    short = vault.rsplit("/", 1)[-1]
    fix = (
        f"az role assignment create --role '{ROLE}' --assignee-object-id {principals[0]} "
        f"--assignee-principal-type ServicePrincipal --scope {vault}"
        if _by_role(properties)
        else f"az keyvault set-policy --name {short} --object-id {principals[0]} "
        "--secret-permissions get"
    )
    yield Finding(ID, "error", "The compute's managed identity may not read secrets", vault, fix)


def _principals(identity: dict[str, Any]) -> list[str]:
    assigned = (identity.get("userAssignedIdentities") or {}).values()
    found = [identity.get("principalId"), *((one or {}).get("principalId") for one in assigned)]
    return [str(one) for one in found if one]


def _by_role(properties: dict[str, Any]) -> bool:
    """Tell whether the vault goes by roles; the older way is a list of policies."""
    by_role = properties.get("enableRbacAuthorization")
    return not properties.get("accessPolicies") if by_role is None else bool(by_role)


def _may_read(
    context: DoctorContext, vault: str, properties: dict[str, Any], principal: str
) -> bool:
    if not _by_role(properties):
        return any(
            one.get("objectId") == principal
            and {"get", "all"} & {str(word).lower() for word in one["permissions"]["secrets"]}
            for one in properties.get("accessPolicies") or ()
        )
    path = f"{vault}/providers/Microsoft.Authorization/roleAssignments"
    query = {"$filter": f"assignedTo('{principal}')"}
    found = get(context, path, AUTHORIZATION, **query).get("value") or []
    ids = (str(one["properties"]["roleDefinitionId"]).rsplit("/", 1)[-1] for one in found)
    return any(one.lower() in READERS for one in ids)
