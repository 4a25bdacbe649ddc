"""The base model is here, or it is known where it comes from.

`project.yaml: model.id` is a name of `phi3scaffold models`, a hub id, or a folder. `phi3scaffold
model` fetches it once, at the commit in model.lock.

To mend it: the message says which file is missing or wrong. HF_HUB_OFFLINE=1 forbids to fetch:
unset it for that one command.
"""

from __future__ import annotations

from collections.abc import Iterator

from phi3scaffold.checks.doctor_context import Scene
from phi3scaffold.checks.verdict import Verdict, from_error
from phi3scaffold.models import catalogue
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.settings import Project

ID = "D19-model"


def check(scene: Scene) -> Iterator[Verdict]:
    from phi3scaffold.models.model_folder import check_model_folder
    from phi3scaffold.models.model_lock import local_folder, read_lock

    project = scene.project
    if project is None or scene.model != project.model_id:
        return
    try:
        entry = catalogue.describe(scene.model) if local_folder(project) is None else None
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
            yield Verdict(ID, "error", error.what, error.where, "phi3scaffold model")
            return
        commit = f" at {lock.commit[:12]}" if lock and lock.commit else ""
        yield Verdict(ID, "ok", f"{scene.model}{commit} is here", where=str(project.base))
    elif folder is not None:
        yield Verdict(ID, "ok", "a folder of this machine", where=str(folder))
    elif entry is not None and entry.hub_id is None:
        yield Verdict(ID, "ok", f"{scene.model} comes with this package")
    elif not needs_hub(scene):
        where = "the job fetches it" if scene.remote else "it lies in the hub's cache"
        yield Verdict(ID, "ok", f"{scene.model}: {where}")
    elif hub_is_forbidden():
        yield Verdict(
            ID,
            "error",
            f"{scene.model} is not here, and HF_HUB_OFFLINE forbids to ask for it",
            where="HF_HUB_OFFLINE",
            fix=f"unset HF_HUB_OFFLINE; phi3scaffold {'submit' if scene.remote else 'model'}",
        )
    else:
        verb = "the job" if scene.remote else "`phi3scaffold model`"
        yield Verdict(ID, "ok", f"{scene.model} is not here yet; {verb} fetches it")


def needs_hub(scene: Scene) -> bool:
    """Whether the hub has still to be asked for the base model from here."""
    from phi3scaffold.models import model_hub
    from phi3scaffold.models.model_lock import local_folder

    entry = catalogue.find(scene.model)
    if entry is not None and entry.hub_id is None:
        return False
    if scene.project is None or scene.model != scene.project.model_id:
        return not catalogue.is_local(scene.model)
    if scene.project.base_bytes or local_folder(scene.project) is not None:
        return False
    commit = _commit(scene.project)
    if commit is None:
        return True
    if scene.remote:  # a job is told the commit, and fetches the model itself
        return False
    return (
        model_hub.from_cache(catalogue.describe(scene.model).hub_id or scene.model, commit) is None
    )


def _commit(project: Project) -> str | None:
    """The commit that the model is fixed at, or None."""
    from phi3scaffold.models.model_lock import read_lock

    try:
        lock = read_lock(project.lock)
    except ScaffoldError:
        return None
    same = lock and (lock.id, lock.revision) == (project.model_id, project.revision)
    return lock.commit if lock and same else None


def hub_is_forbidden() -> bool:
    from huggingface_hub import constants

    return bool(constants.is_offline_mode())
