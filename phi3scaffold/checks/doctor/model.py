"""The base model is here, or can be fetched.

`project.yaml: model.id` is a name from `phi3scaffold models`, a hub id, or a folder. `phi3scaffold
model` fetches the model once, at the commit in model.lock.

To fix it: the message says which file is missing or wrong. HF_HUB_OFFLINE=1 forbids downloads:
unset it for that one command.
"""

from __future__ import annotations

from collections.abc import Iterator

from phi3scaffold.models import catalogue
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.findings import Finding, from_error
from phi3scaffold.targets.doctor_context import DoctorContext

ID = "D19-model"


def check(context: DoctorContext) -> Iterator[Finding]:
    from phi3scaffold.models.model_folder import check_model_folder
    from phi3scaffold.models.model_lock import local_folder, read_lock

    project = context.project
    if project is None or context.model != project.model_id:
        return
    try:
        entry = catalogue.describe(context.model) if local_folder(project) is None else None
        folder = local_folder(project)
        if folder is not None:
            check_model_folder(folder)
        lock = read_lock(project.lock)
    except ScaffoldError as error:
        yield from_error(ID, error)
        return
    if project.base_bytes:
        try:
            check_model_folder(project.base)
        except ScaffoldError as error:
            yield Finding(ID, "error", error.what, error.where, "phi3scaffold model")
            return
        commit = f" at {lock.commit[:12]}" if lock and lock.commit else ""
        yield Finding(ID, "ok", f"{context.model}{commit} is here", where=str(project.base))
    elif folder is not None:
        yield Finding(ID, "ok", "a folder of this machine", where=str(folder))
    elif entry is not None and entry.hub_id is None:
        yield Finding(ID, "ok", f"{context.model} comes with this package")
    elif not needs_hub(context):
        where = "the job fetches it" if context.remote else "it lies in the hub's cache"
        yield Finding(ID, "ok", f"{context.model}: {where}")
    elif hub_is_forbidden():
        what = f"{context.model} is not here, and HF_HUB_OFFLINE forbids the download"
        fix = f"unset HF_HUB_OFFLINE; phi3scaffold {'job submit' if context.remote else 'model'}"
        yield Finding(ID, "error", what, "HF_HUB_OFFLINE", fix)
    else:
        verb = "the job" if context.remote else "`phi3scaffold model`"
        yield Finding(ID, "ok", f"{context.model} is not here yet; {verb} fetches it")


def needs_hub(context: DoctorContext) -> bool:
    """Tell whether the hub has still to be asked for the base model from here."""
    from phi3scaffold.models import model_hub
    from phi3scaffold.models.model_lock import local_folder, read_lock

    entry = catalogue.find(context.model)
    if entry is not None and entry.hub_id is None:
        return False
    if context.project is None or context.model != context.project.model_id:
        return not catalogue.is_local(context.model)
    if context.project.base_bytes or local_folder(context.project) is not None:
        return False
    project = context.project
    try:
        lock = read_lock(project.lock)
    except ScaffoldError:
        return True
    if lock is None or (lock.id, lock.revision) != (project.model_id, project.revision):
        return True
    if context.remote:  # a job gets the commit, and fetches the model itself
        return not lock.commit
    repo = catalogue.describe(context.model).hub_id or context.model
    return not lock.commit or model_hub.from_cache(repo, lock.commit) is None


def hub_is_forbidden() -> bool:
    from huggingface_hub import constants

    return bool(constants.is_offline_mode())
