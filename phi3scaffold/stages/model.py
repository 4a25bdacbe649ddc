"""`phi3scaffold model`: the base model's files into model-cache/base, at one commit.

project.yaml names a model and a revision; model.lock, which goes into git, holds the commit that
revision stood for when it was first fetched. From then on that commit is used, also after the
branch has moved; removing model.lock asks the hub again.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from phi3scaffold.models import catalogue, model_hub
from phi3scaffold.models.model_folder import (
    Progress,
    check_model_folder,
    check_tokenizer,
    is_weights,
    modernise,
    take_over,
    wanted_files,
)
from phi3scaffold.pipeline.stage import Context, Inputs, Stage
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.settings import Project

PARTIAL = ".partial-"
MARKER = "model.lock"  # the copy in the base's folder: which lock it was fetched for


@dataclass(frozen=True)
class Lock:
    """model.lock.

    Attributes:
        id, revision: as project.yaml said them.
        source: ``tiny``, ``folder`` or ``hub``.
        commit: 40 hex digits, for the hub only.
        sha256: file -> hash, where the hub lists one (the weights).
    """

    id: str
    revision: str
    source: str
    commit: str | None = None
    sha256: dict[str, str] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write it whole or not at all."""
        new = path.with_name(path.name + ".new")
        new.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        new.replace(path)


def read_lock(path: Path) -> Lock | None:
    """The lock, or None where there is none.

    Raises:
        ScaffoldError: it is there and cannot be understood.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        lock = Lock(
            id=str(content["id"]),
            revision=str(content["revision"]),
            source=str(content["source"]),
            commit=content.get("commit"),
            sha256=dict(content.get("sha256") or {}),
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        lock = None
    if lock is None or (lock.source == "hub" and not model_hub.COMMIT.fullmatch(str(lock.commit))):
        raise ScaffoldError(
            "model.lock cannot be understood.",
            where=path,
            fix="take it from git again, or remove it: the model is then resolved anew",
        )
    return lock


def pin(project: Project) -> Lock:
    """The project's lock, made and written where it is not there or is another model's.

    Asks the hub only then.

    Raises:
        ScaffoldError: the model cannot be resolved.
    """
    entry = catalogue.find(project.model_id)
    folder = local_folder(project)
    source = "folder" if folder else "hub" if entry is None or entry.hub_id else "tiny"
    found = read_lock(project.lock)
    same = found and (found.id, found.revision, found.source) == (
        project.model_id,
        project.revision,
        source,
    )
    if found and same:
        return found
    commit = None
    sha256: dict[str, str] = {}
    if source == "hub":
        repo = hub_id(project)
        commit = model_hub.resolve(repo, project.revision)
        if not model_hub.offline():
            listed = model_hub.list_files(repo, commit).values()
            sha256 = {file.name: file.sha256 for file in listed if file.sha256}
    lock = Lock(project.model_id, project.revision, source, commit, sha256)
    lock.save(project.lock)
    return lock


def local_folder(project: Project) -> Path | None:
    """The folder the run was given, else the one model.id names; None where it names no folder.

    A relative one is below the project.
    """
    if project.given is not None:
        return project.given
    ref = project.model_id
    if catalogue.find(ref) is not None:
        return None
    folder = Path(ref).expanduser()
    folder = folder if folder.is_absolute() else project.root / folder
    return folder if catalogue.is_local(ref) or folder.is_dir() else None


def hub_id(project: Project) -> str:
    """The repository model.id stands for. Raises ScaffoldError for what cannot be one."""
    entry = catalogue.describe(project.model_id)
    return entry.hub_id or project.model_id


def fetch_base(
    project: Project, out: Path, *, weights: bool = True, progress: Progress | None = None
) -> Lock:
    """Put the base model's files into `out`, an empty folder, and check them.

    From the hub they come by way of model-cache/.partial-COMMIT, which outlives a killed run.

    Args:
        project: the project.
        out: where they go.
        weights: whether its weights, too.
        progress: called with (what, bytes done, bytes in all).

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
        take_over(wanted_files(folder, weights=weights), out, progress)
    else:
        _fetch_from_hub(project, lock, out, weights, progress)
    check(out)
    modernise(out)
    lock.save(out / MARKER)
    return lock


def _copy_tiny(out: Path, weights: bool) -> None:
    folder = catalogue.tiny_folder()
    if not (folder / "config.json").is_file():
        raise ScaffoldError(
            "The demonstration model is not in this installation.",
            where=folder,
            fix="install phi3scaffold again, or choose another model in project.yaml: model.id",
        )
    for path in wanted_files(
        folder, weights=weights
    ):  # copied: a link would let a project change the package
        shutil.copyfile(path, out / path.name)


def _fetch_from_hub(
    project: Project, lock: Lock, out: Path, weights: bool, progress: Progress | None
) -> None:
    repo = hub_id(project)
    assert lock.commit is not None
    cache = project.base.parent
    here = (
        project.base if _is_base_of(project.base, lock) else model_hub.from_cache(repo, lock.commit)
    )
    if here is not None:
        take_over(wanted_files(here, weights=weights), out, progress)
        return
    if model_hub.offline():
        raise model_hub.offline_error(model_hub.asked(repo, lock.commit))
    partial = cache / f"{PARTIAL}{lock.commit}"
    listed = model_hub.list_files(repo, lock.commit)
    files = {name: file for name, file in listed.items() if weights or not is_weights(name)}
    model_hub.download(repo, lock.commit, files, partial, progress)
    take_over(wanted_files(partial, weights=weights), out, move=weights)


def _is_base_of(folder: Path, lock: Lock) -> bool:
    """Whether a fetched base is of that very commit, and still whole."""
    try:
        made_for = read_lock(folder / MARKER)
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


def inputs_of(project: Project, *, weights: bool) -> Inputs:
    """The lock decides; for files of this machine, their content too."""
    lock = pin(project)
    folder = local_folder(project)
    if lock.source == "tiny":
        folder = catalogue.tiny_folder()
    elif folder is not None:  # before a byte of it is hashed
        (check_model_folder if weights else check_tokenizer)(folder)
    there = folder is not None and folder.is_dir()
    files = wanted_files(folder, weights=weights) if folder and there else []
    return Inputs(files=tuple(files), settings=asdict(lock))


def inputs(project: Project) -> Inputs:
    """See `inputs_of`; an unfinished download that is no longer needed goes, too."""
    lock = pin(project)
    if any(project.base.parent.glob(f"{PARTIAL}*")) and _is_base_of(project.base, lock):
        clear_partials(project)  # published: the download is no longer needed
    return inputs_of(project, weights=True)


def run(context: Context) -> dict[str, Any]:
    """Write the base model into the stage's folder; returns what it is."""
    project = context.project
    lock = fetch_base(project, context.out, progress=throttled(context.emit))
    size = sum(path.stat().st_size for path in context.out.iterdir() if path.is_file())
    return {"id": lock.id, "source": lock.source, "commit": lock.commit, "bytes": size}


def throttled(emit: Callable[[dict[str, Any]], None]) -> Progress:
    """Progress as events, at most five a second and always the last one."""
    last = 0.0

    def report(what: str, done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= 0.2 or done >= total:
            last = now
            emit({"kind": "bytes", "what": what, "done": done, "of": total})

    return report


STAGE = Stage(
    name="model",
    title="fetching the base model",
    folder=lambda project: project.base,
    inputs=inputs,
    run=run,
)
