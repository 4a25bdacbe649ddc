"""One job for one state of the project: submit it, or attach to the one that is there."""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import replace
from typing import Any

from phi3scaffold.models.model_lock import local_folder, pin
from phi3scaffold.pipeline.events import Emit, Note
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError
from phi3scaffold.project.settings import Project
from phi3scaffold.stages.graph import has_verdict
from phi3scaffold.targets.azureml import hub_token, job_checks, workspace
from phi3scaffold.targets.azureml.fetch import fetch, is_complete
from phi3scaffold.targets.azureml.job_log import follow, job_page
from phi3scaffold.targets.azureml.job_record import JobRecord, fingerprint, read_record
from phi3scaffold.targets.azureml.workspace import ENDED, Workspace
from phi3scaffold.targets.azureml.workspace_settings import (
    SOURCES,
    WorkspaceSettings,
    how_to_fill,
    placeholder,
    read_settings,
)

VAULT = "key_vault"


def request_for(
    project: Project, settings: WorkspaceSettings, *, shown: bool = False
) -> tuple[JobRecord, dict[str, Any]]:
    """Check the project and name the job; return it, and dotted key -> value to set in its file.

    Nothing is sent; the hub may be asked for a commit, and the workspace for its Key Vault. Neither
    is where the request is only `shown`.

    Raises:
        ScaffoldError: as `read_job`; the model cannot be resolved, or would not travel.
    """
    job = job_checks.read_job(project)
    path = project.root / job_checks.JOB
    if _fetches_model(job):
        if local_folder(project) is not None:
            raise ScaffoldError(
                "The base model is a folder of this machine, and the job is not given it.",
                where=job_checks.place(path, "inputs.model"),
                fix="as the comment there says: type uri_folder, and --model in the command",
            )
        if not shown:
            pin(project)
    label = re.sub(r"[^A-Za-z0-9]+", "-", project.root.name).strip("-")[:40] or "project"
    name = f"{label}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"
    output = job["outputs"]["results"]
    named = output.get("path") if isinstance(output, dict) else None
    uri = named or "azureml://datastores/workspaceblobstore/paths/azureml/${{name}}/results/"
    uri = uri.replace("${{name}}", name).replace("${{output_name}}", "results")
    match = job_checks.DATASTORE.fullmatch(uri)
    if match is None:
        raise ScaffoldError(
            f"{uri} is no path of a datastore.",
            where=job_checks.place(path, "outputs.results.path"),
            fix="azureml://datastores/NAME/paths/FOLDER/, or leave it out",
        )
    record = JobRecord(
        name=name,
        fingerprint=fingerprint(project),
        subscription_id=settings.subscription_id,
        resource_group=settings.resource_group,
        workspace=settings.workspace,
        datastore=match["name"],
        path=match["path"].rstrip("/"),
    )
    changes = {"name": name, "outputs.results.path": uri}
    if settings.hf_token_secret:
        identity = job.get("identity") or {}
        if identity.get("type") not in ("managed", "managed_identity"):
            raise ScaffoldError(
                "The hub's token comes from Key Vault by a managed identity, and the job has none.",
                where=job_checks.place(path, "identity"),
                fix="identity: {type: managed}, on a cluster that has one; or no hf_token_secret",
            )
        vault = settings.key_vault
        if not vault:
            vault = placeholder(VAULT) if shown else Workspace(settings).vault()
        changes[f"environment_variables.{hub_token.URL}"] = f"https://{vault}.vault.azure.net"
        changes[f"environment_variables.{hub_token.NAME}"] = settings.hf_token_secret
    return record, {"display_name": job.get("display_name") or name, **changes}


def dry_run(project: Project) -> dict[str, Any]:
    """Return the request, and what would be uploaded with it; neither network nor login is used.

    A value that is not known yet is a placeholder, and `missing` says how to fill it.
    """
    settings = read_settings(project, shown=True)
    record, changes = request_for(project, settings, shown=True)
    missing = {
        placeholder(name): how_to_fill(name)
        for name in SOURCES
        if getattr(settings, name) == placeholder(name)
    }
    if placeholder(VAULT) in str(changes.values()):
        missing[placeholder(VAULT)] = (
            "the workspace's own Key Vault, which is asked for when the job is submitted; "
            "or azure.key_vault in project.yaml"
        )
    is_asked = not project.is_demonstration and _fetches_model(job_checks.read_job(project))
    if is_asked and not project.lock.exists():
        missing["model.lock"] = "written when the job is submitted; or now: phi3scaffold model"
    return {
        **({"missing": missing} if missing else {}),
        "method": "PUT",
        "url": f"https://management.azure.com{record.settings.path}/jobs/{record.name}",
        "body": workspace.request(project.root / job_checks.JOB, changes),
        "snapshot": workspace.snapshot(project.root),
    }


def _fetches_model(job: dict[str, Any]) -> bool:
    """Tell whether the job is given no base model, and downloads it."""
    return "--model" not in job["command"].split()


def find_job(project: Project) -> tuple[Workspace, JobRecord]:
    """Return the project's job and its workspace. Raises ScaffoldError where there is none."""
    record = current_job(project)
    return Workspace(record.settings), record


def current_job(project: Project) -> JobRecord:
    """Return the project's job. Raises ScaffoldError where there is none."""
    record = read_record(project)
    if record is None:
        raise ScaffoldError(
            "No job of this project is known here.",
            where=project.gen,
            fix="submit one: phi3scaffold job submit",
        )
    return record


def submit(project: Project, emit: Emit, *, again: bool = False) -> JobRecord:
    """Return the job for the project as it is: the one that runs or has completed, else a new one.

    With `again`, a new one in any case. Raises ScaffoldError as `request_for`.
    """
    record = read_record(project)
    if record is not None and not again:
        if record.state != "Completed":
            seen = Workspace(record.settings).state(record.name) or ""
            record = replace(record, state=seen)
            if seen:
                record.save(project)
        same = record.fingerprint == fingerprint(project)
        if record.state and record.state not in ENDED:
            message = f"attached to the job {record.name}, {record.state}"
            if not same:
                message += "; the project has changed since: --again submits it as it is now"
            _note(emit, message)
            return record
        if same and record.state == "Completed":
            return record
    settings = read_settings(project)
    record, changes = request_for(project, settings)
    record.save(project)  # before it is sent: a lost answer does not lose the job
    _note(emit, f"uploading the project and its rows to the workspace {settings.workspace}")
    Workspace(settings).submit(project.root / job_checks.JOB, changes)
    _note(emit, f"submitted the job {record.name}")
    return record


def complete(project: Project, record: JobRecord, emit: Emit) -> None:
    """Follow the job to its end and bring back what it made.

    Raises:
        ScaffoldError: the job failed, or was cancelled; a model that broke the gate is brought
            back before that is said, as after a local run.
    """
    forms = read_settings(project).fetch
    if record.state == "Completed" and is_complete(project, forms):
        _note(emit, f"up to date: the job {record.name} has been brought back")
        return
    there = Workspace(record.settings)
    outcome = follow(there, record, emit)
    record = replace(record, state=outcome.state)
    record.save(project)
    failure = outcome.failure(record.name, job_page(record))
    missing = []
    if failure is None or has_verdict(outcome.stages):
        missing = fetch(there, record, project, forms, emit)
    if failure is not None:
        raise failure
    if missing:
        raise ScaffoldError(
            f"The job ended without having made: {', '.join(missing)}.",
            where=job_page(record),
            fix=f"its log: phi3scaffold job logs; what it should run: {job_checks.JOB}: command",
            exit_code=FAILED_RUN,
        )


def _note(emit: Emit, text: str) -> None:
    emit(Note("azure", text))
