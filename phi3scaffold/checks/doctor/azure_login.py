"""Somebody is logged in to Azure.

The login is found as the SDK finds it: a service principal in AZURE_TENANT_ID, AZURE_CLIENT_ID and
AZURE_CLIENT_SECRET, a managed identity, or `az login`.

To mend it: `az login`; on a machine without a browser `az login --use-device-code`.
"""

from __future__ import annotations

from collections.abc import Iterator

from phi3scaffold.checks.azure import command_line, project_of, require_sdk
from phi3scaffold.checks.doctor_context import Scene
from phi3scaffold.checks.verdict import Verdict, from_error
from phi3scaffold.project.errors import ScaffoldError

ID = "D26-azure-login"
NETWORK_SECONDS = 15  # `az` alone takes some of them


def check(scene: Scene) -> Iterator[Verdict]:
    if project_of(scene) is None:
        return
    require_sdk(scene)
    from phi3scaffold.targets.azureml.login import MANAGEMENT, Unreachable

    try:
        scene.azure.token(MANAGEMENT)
    except Unreachable as error:
        yield from_error(ID, error)
    except ScaffoldError as error:
        fix = f"{command_line()}az login; or AZURE_TENANT_ID, AZURE_CLIENT_ID and "
        fix += "AZURE_CLIENT_SECRET of a service principal"
        yield Verdict(ID, "error", error.what, fix=fix)
    else:
        yield Verdict(ID, "ok", "logged in")
