"""The workspace exists, and you have access to it.

Every request about a job names it.

To fix it: check its name (`az ml workspace list -o table`), the subscription (`az account set
--subscription ...`), and the tenant that you are logged in to (`az login --tenant ...`).
"""

from __future__ import annotations

from collections.abc import Iterator

from phi3scaffold.project.findings import Finding
from phi3scaffold.targets.azureml.errors import AzureRefusal, AzureUnreachable
from phi3scaffold.targets.azureml.resource_manager import ML, command_line, get, settings_of
from phi3scaffold.targets.doctor_context import DoctorContext

ID = "D27-azure-workspace"
NETWORK_SECONDS = 20


def check(context: DoctorContext) -> Iterator[Finding]:
    settings = settings_of(context)
    where = f"{settings.workspace} in {settings.resource_group}, {settings.subscription_id}"
    show = (
        f"{command_line()}az ml workspace show --name {settings.workspace} "
        f"--resource-group {settings.resource_group} --subscription {settings.subscription_id}"
    )
    try:
        found = get(context, settings.path, ML)
    except AzureUnreachable as error:
        yield Finding(ID, "error", error.what, where=where, fix=error.fix)
    except AzureRefusal as error:
        fixes = {
            401: f"az login --tenant TENANT; {show}",
            403: "somebody who owns it has to give you a role (azure-role says which)",
            404: "az ml workspace list -o table shows those that you may see; or make it, with "
            "compute, vault and roles: az deployment group create --resource-group "
            f"{settings.resource_group} --parameters setup/azure.bicepparam",
        }
        yield Finding(ID, "error", error.what, where=where, fix=fixes.get(error.status, show))
    else:
        place = found.get("location") or "an unknown region"
        yield Finding(ID, "ok", f"{settings.workspace}, {place}", where=where)
