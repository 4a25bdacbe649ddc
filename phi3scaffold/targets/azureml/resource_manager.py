"""Shared by the checks of Azure: the login, the workspace, and what a refusal means."""

from __future__ import annotations

import importlib.util
import shutil
from typing import Any

from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.findings import Skip
from phi3scaffold.project.settings import Project
from phi3scaffold.targets.azureml.login import MANAGEMENT
from phi3scaffold.targets.azureml.workspace_settings import WorkspaceSettings, read_settings
from phi3scaffold.targets.doctor_context import DoctorContext

ML = "2024-10-01"  # the versions of the interfaces that are asked
AUTHORIZATION = "2022-04-01"


def project_of(context: DoctorContext) -> Project:
    """Return the project; the checks of a target run in a project only."""
    assert context.project is not None
    return context.project


def settings_of(context: DoctorContext) -> WorkspaceSettings:
    """Return which workspace it is. Raises Skip where that is not known: azure-settings says so."""
    try:
        return read_settings(project_of(context))
    except ScaffoldError:
        raise Skip("the workspace is not known") from None


def get(context: DoctorContext, path: str, version: str, **query: str) -> dict[str, Any]:
    """Return a document of Resource Manager.

    Raises:
        Skip: nobody is logged in (azure-login says so), or Azure's SDK is not here.
        AzureRefusal: what Azure answers.
        AzureUnreachable: it does not.
    """
    require_sdk(context)
    try:
        context.login.token(MANAGEMENT)
    except ScaffoldError:
        raise Skip("the login to Azure failed") from None
    return context.login.get(f"{MANAGEMENT}{path}", MANAGEMENT, {"api-version": version, **query})


def require_sdk(context: DoctorContext) -> None:
    """Skip where this Python cannot ask Azure: azure-sdk, or environment, says why."""
    if importlib.util.find_spec("azure") is None or not importlib.util.find_spec("azure.identity"):
        other = any(one.installed("azure-identity") for one in context.environments)
        elsewhere = "this Python has no Azure SDK; the project's has"
        raise Skip(elsewhere if other else "Azure's SDK is not installed")


def command_line() -> str:
    """Return what comes before a command of `az`, where it is not installed."""
    return "" if shutil.which("az") else "install the Azure CLI (aka.ms/azcli), then "
