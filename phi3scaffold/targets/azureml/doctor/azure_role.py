"""You may submit jobs to the workspace.

Azure is asked for your permissions; nothing is submitted. The role AzureML Data Scientist
suffices, and so do Contributor and Owner; Reader does not.

To fix it: an owner of the workspace assigns the role: `az role assignment create --role 'AzureML
Data Scientist' --assignee YOU --scope WORKSPACE`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from phi3scaffold.project.findings import Finding, Skip
from phi3scaffold.targets.azureml.errors import AzureRefusal, AzureUnreachable
from phi3scaffold.targets.azureml.resource_manager import (
    AUTHORIZATION,
    command_line,
    get,
    settings_of,
)
from phi3scaffold.targets.doctor_context import DoctorContext

ID = "D28-azure-role"
NETWORK_SECONDS = 20
KIND = "Microsoft.MachineLearningServices/workspaces"
NEEDED = (
    f"{KIND}/jobs/write",
    f"{KIND}/codes/versions/write",
    f"{KIND}/environments/versions/write",
    f"{KIND}/datastores/listSecrets/action",
)


def check(context: DoctorContext) -> Iterator[Finding]:
    scope = settings_of(context).path
    fix = (
        f"{command_line()}az role assignment create --role 'AzureML Data Scientist' "
        f"--assignee $(az ad signed-in-user show --query id -o tsv) --scope {scope}"
    )
    try:
        path = f"{scope}/providers/Microsoft.Authorization/permissions"
        granted = get(context, path, AUTHORIZATION).get("value") or []
    except AzureUnreachable:
        raise Skip("Azure does not answer") from None
    except AzureRefusal as error:
        if error.status == 404:
            raise Skip("the workspace is not there") from None
        yield Finding(ID, "error", "You may not even see your permissions there", scope, fix)
        return
    missing = [action for action in NEEDED if not may(action, granted)]
    if missing:
        short = ", ".join(action.removeprefix(f"{KIND}/") for action in missing)
        yield Finding(ID, "error", f"You may not submit jobs: no {short}", scope, fix)
    else:
        yield Finding(ID, "ok", "you may submit jobs", where=scope)


def may(action: str, granted: list[dict[str, Any]]) -> bool:
    """Tell whether one of the roles allows it: in its actions, and not in its notActions."""
    return any(
        _among(action, one.get("actions")) and not _among(action, one.get("notActions"))
        for one in granted
    )


def _among(action: str, patterns: list[str] | None) -> bool:
    return any(
        re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), action, re.IGNORECASE)
        for pattern in patterns or ()
    )
