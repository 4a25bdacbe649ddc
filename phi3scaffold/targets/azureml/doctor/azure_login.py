"""You are logged in to Azure.

The login is found as the SDK finds it: a service principal in AZURE_TENANT_ID, AZURE_CLIENT_ID and
AZURE_CLIENT_SECRET, a managed identity, or `az login`.

To fix it: `az login`; on a machine without a browser `az login --use-device-code`.
"""

from __future__ import annotations

from collections.abc import Iterator

from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.findings import Finding, from_error
from phi3scaffold.targets.azureml.errors import AzureUnreachable
from phi3scaffold.targets.azureml.login import MANAGEMENT
from phi3scaffold.targets.azureml.resource_manager import command_line, require_sdk
from phi3scaffold.targets.doctor_context import DoctorContext

ID = "D26-azure-login"
NETWORK_SECONDS = 15  # `az` alone takes some of them


def check(context: DoctorContext) -> Iterator[Finding]:
    require_sdk(context)
    try:
        context.login.token(MANAGEMENT)
    except AzureUnreachable as error:
        yield from_error(ID, error)
    except ScaffoldError as error:
        fix = f"{command_line()}az login; or AZURE_TENANT_ID, AZURE_CLIENT_ID and "
        fix += "AZURE_CLIENT_SECRET of a service principal"
        yield Finding(ID, "error", error.what, fix=fix)
    else:
        yield Finding(ID, "ok", "logged in")
