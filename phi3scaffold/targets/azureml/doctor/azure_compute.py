"""The compute that fine-tuning/job.yml names exists, and has the GPU that the job needs.

Azure accepts a job for a machine without a GPU, which would train for days. Whether the quota
suffices shows only when a job starts.

To fix it: `az ml compute list -o table` lists the computes of the workspace. Create a cluster for
training with `az ml compute create --type AmlCompute --name gpu-cluster --size
Standard_NC24ads_A100_v4 --min-instances 0 --max-instances 1 --identity-type system_assigned`; it
costs nothing while no job runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.findings import Finding, Skip
from phi3scaffold.project.settings import Project
from phi3scaffold.targets.azureml.errors import AzureRefusal, AzureUnreachable
from phi3scaffold.targets.azureml.job_checks import GPU, JOB, read_job
from phi3scaffold.targets.azureml.resource_manager import ML, get, project_of, settings_of
from phi3scaffold.targets.azureml.workspace_settings import WorkspaceSettings
from phi3scaffold.targets.doctor_context import DoctorContext

ID = "D29-azure-compute"
NETWORK_SECONDS = 20
KINDS = {"aml": ("AmlCompute", "ComputeInstance"), "arc": ("Kubernetes",)}


def check(context: DoctorContext) -> Iterator[Finding]:
    project = project_of(context)
    job, settings = job_of(project), settings_of(context)
    if not job.get("compute"):
        message = f"serverless: {job['resources']['instance_type']}"
        yield Finding(ID, "ok", message, where=f"{project.root / JOB}: resources.instance_type")
        return
    name, where = name_of(job), f"{project.root / JOB}: compute"
    place = f"--workspace-name {settings.workspace} --resource-group {settings.resource_group}"
    try:
        found = compute_of(context, settings, job)
    except AzureUnreachable:
        raise Skip("Azure does not answer") from None
    except AzureRefusal as error:
        if error.status == 404:
            message, fix = f"There is no compute {name}", f"az ml compute list {place} -o table"
            yield Finding(
                ID, "error", message, where, f"{fix}; or make it: {_make(name, place, job)}"
            )
        else:
            yield Finding(ID, "error", error.what, where=where)
        return
    wrong = [*_wrong(found, job, project, place)]
    yield from wrong
    if not wrong:
        size = _inner(found).get("vmSize") or found["properties"].get("computeType")
        yield Finding(ID, "ok", f"{name}: {size}", where=where)


def job_of(project: Project) -> dict[str, Any]:
    """Return the job file. Raises Skip where it is wrong: azure-job says how."""
    try:
        return read_job(project)
    except ScaffoldError:
        raise Skip("fine-tuning/job.yml is wrong") from None


def name_of(job: dict[str, Any]) -> str:
    return str(job["compute"]).removeprefix("azureml:")


def compute_of(
    context: DoctorContext, settings: WorkspaceSettings, job: dict[str, Any]
) -> dict[str, Any]:
    """Return the compute's document. Raises as `get` does."""
    found = get(context, f"{settings.path}/computes/{name_of(job)}", ML)
    found.setdefault("properties", {})
    return found


def _wrong(
    found: dict[str, Any], job: dict[str, Any], project: Project, place: str
) -> Iterator[Finding]:
    name, inner = name_of(job), _inner(found)
    where = f"{project.root / JOB}: compute"
    kind = str(found["properties"].get("computeType"))
    needs_gpu = "--local" not in str(job["command"]).split()
    kinds = KINDS[project.target]
    show = f"az ml compute show --name {name} {place}"
    if kind not in kinds:
        message = f"{name} is of the kind {kind}; --target {project.target} needs "
        message += " or ".join(kinds)
        yield Finding(ID, "error", message, where, f"az ml compute list {place} -o table")
        return
    state = found["properties"].get("provisioningState")
    if state in ("Failed", "Deleting", "Canceled"):
        yield Finding(ID, "error", f"{name}: {state}", where, show)
    if kind == "Kubernetes":
        yield from _instance_type(inner, job, project, needs_gpu)
        return
    size = str(inner.get("vmSize") or "")
    if needs_gpu and size and not GPU.match(size):
        message = f"{name} has machines of {size}, which have no NVIDIA GPU"
        yield Finding(ID, "error", message, where, _make("gpu-cluster", place, job))
    most = (inner.get("scaleSettings") or {}).get("maxNodeCount")
    nodes = (job.get("resources") or {}).get("instance_count", 1)
    if most is not None and most < nodes:
        message = f"{name} grows to {most} machines; the job asks for {nodes}"
        fix = f"az ml compute update --name {name} --max-instances {nodes} {place}"
        yield Finding(ID, "error", message, where, fix)
    managed = (job.get("identity") or {}).get("type") in ("managed", "managed_identity")
    if managed and not found.get("identity"):
        message = f"{name} has no managed identity, and the job asks for it"
        fix = f"az ml compute update --name {name} --identity-type system_assigned {place}"
        yield Finding(ID, "warning", message, where, fix)


def _instance_type(
    inner: dict[str, Any], job: dict[str, Any], project: Project, needs_gpu: bool
) -> Iterator[Finding]:
    wanted = str((job.get("resources") or {}).get("instance_type"))
    types = inner.get("instanceTypes") or {}
    where = f"{project.root / JOB}: resources.instance_type"
    if types and wanted not in types:
        message = f"The cluster has no instance type {wanted!r}; it has {', '.join(types)}"
        yield Finding(ID, "error", message, where, "one of those; kubectl get instancetype")
    elif types and needs_gpu:
        resources = (types[wanted] or {}).get("resources") or {}
        if not any("gpu" in key for key in (resources.get("limits") or {})):
            message = f"The instance type {wanted!r} has no GPU"
            yield Finding(ID, "error", message, where, "one with nvidia.com/gpu among its limits")


def _inner(found: dict[str, Any]) -> dict[str, Any]:
    return found["properties"].get("properties") or {}


def _make(name: str, place: str, job: dict[str, Any]) -> str:
    needs_gpu = "--local" not in str(job["command"]).split()
    size = "Standard_NC24ads_A100_v4" if needs_gpu else "Standard_DS3_v2"
    return (
        f"az ml compute create --type AmlCompute --name {name} --size {size} --min-instances 0 "
        f"--max-instances 1 --identity-type system_assigned {place}"
    )
