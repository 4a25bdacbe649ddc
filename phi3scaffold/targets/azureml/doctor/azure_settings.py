"""The workspace that jobs go to is known.

Subscription, resource group and workspace are taken from AZURE_SUBSCRIPTION_ID,
AZURE_RESOURCE_GROUP and AZUREML_WORKSPACE_NAME, else from .azureml/config.json (the studio offers
it), else from `azure:` in project.yaml.

To fix it: write them to one of these; `az ml workspace list -o table` lists what you may see.
"""

from __future__ import annotations

from collections.abc import Iterator

from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.files import read_yaml
from phi3scaffold.project.findings import Finding
from phi3scaffold.project.layout import PROJECT_FILE
from phi3scaffold.targets.azureml.resource_manager import command_line, project_of
from phi3scaffold.targets.azureml.workspace_settings import found_where, read_settings
from phi3scaffold.targets.doctor_context import DoctorContext

ID = "D24-azure-settings"


def check(context: DoctorContext) -> Iterator[Finding]:
    project = project_of(context)
    try:
        settings = read_settings(project)
    except ScaffoldError as error:
        fix = f"{error.fix}; {command_line()}az ml workspace list -o table shows the names"
        yield Finding(ID, "error", error.what, where=error.where, fix=fix)
        return
    own = read_yaml(project.root / PROJECT_FILE).get("azure") or {}
    sources = dict.fromkeys(source for _, source in found_where(project, own).values())
    message = f"{settings.workspace} in {settings.resource_group}"
    yield Finding(ID, "ok", message, where=", ".join(sources))
