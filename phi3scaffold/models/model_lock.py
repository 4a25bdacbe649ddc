"""model.lock: the commit that a project's revision stood for when the model was first fetched.

project.yaml names a model and a revision; model.lock, which goes into git, holds the commit. From
then on that commit is used, also after the branch has moved; removing model.lock asks the hub
again.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from phi3scaffold.models import catalogue, model_hub
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.files import write_json
from phi3scaffold.project.settings import Project


@dataclass(frozen=True)
class ModelLock:
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
        write_json(path, asdict(self), indent=2)


def read_lock(path: Path) -> ModelLock | None:
    """Read the lock; return None where there is none.

    Raises:
        ScaffoldError: it is there and cannot be understood.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        lock = ModelLock(
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
            "model.lock cannot be read.",
            where=path,
            fix="restore it from git, or remove it: the model is then resolved again",
        )
    return lock


def pin(project: Project) -> ModelLock:
    """Return the project's lock; resolve and write it where it is missing or another model's.

    Asks the hub only then.

    Raises:
        ScaffoldError: the model cannot be resolved.
    """
    entry = catalogue.find(project.model_id)
    folder = local_folder(project)
    source = "folder" if folder else "hub" if entry is None or entry.hub_id else "tiny"
    found = read_lock(project.lock)
    wanted = (project.model_id, project.revision, source)
    if found and (found.id, found.revision, found.source) == wanted:
        return found
    commit = None
    sha256: dict[str, str] = {}
    if source == "hub":
        repo = hub_id(project)
        commit = model_hub.resolve(repo, project.revision)
        if not model_hub.offline():
            listed = model_hub.list_files(repo, commit).values()
            sha256 = {file.name: file.sha256 for file in listed if file.sha256}
    lock = ModelLock(*wanted, commit, sha256)
    lock.save(project.lock)
    return lock


def local_folder(project: Project) -> Path | None:
    """Return the folder the run was given, else the one model.id names; None where it names none.

    A relative one is below the project.
    """
    if project.base_override is not None:
        return project.base_override
    ref = project.model_id
    if catalogue.find(ref) is not None:
        return None
    folder = Path(ref).expanduser()
    folder = folder if folder.is_absolute() else project.root / folder
    return folder if catalogue.is_local(ref) or folder.is_dir() else None


def hub_id(project: Project) -> str:
    """Return the repository model.id stands for. Raises ScaffoldError for what cannot be one."""
    entry = catalogue.describe(project.model_id)
    return entry.hub_id or project.model_id
