"""The base model under the name by which others can get it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath

from phi3scaffold.models import catalogue
from phi3scaffold.models.families.family import Family
from phi3scaffold.models.model_folder import is_weights
from phi3scaffold.models.model_lock import local_folder, read_lock
from phi3scaffold.models.shape import Shape
from phi3scaffold.pipeline import manifest
from phi3scaffold.pipeline.hashing import digest
from phi3scaffold.project.settings import Project

BASE_WEIGHTS = "base_weights"  # the fact that says over which weights an adapter was trained


@dataclass(frozen=True)
class Base:
    """The base model, as others can get it.

    Attributes:
        name: its id on the hub; of a folder of this machine the last part, since where it lies is
            nobody else's business.
        commit: on the hub, 40 hex digits; None elsewhere.
        kind: ``hub``, ``tiny`` or ``folder``.
    """

    name: str
    commit: str | None
    kind: str

    @classmethod
    def of(cls, project: Project) -> Base:
        """Return the base of a project, by the catalogue and model.lock."""
        if project.is_demonstration:
            return cls(project.model_id, None, "tiny")
        entry, lock = catalogue.find(project.model_id), read_lock(project.lock)
        commit = lock.commit if lock and lock.id == project.model_id else None
        if entry and entry.hub_id:
            return cls(entry.hub_id, commit, "hub")
        if local_folder(project) is None:
            return cls(project.model_id, commit, "hub")
        return cls(PurePath(project.model_id).name, None, "folder")


def base_family(project: Project) -> Family:
    """Return the base model's family: by its files, where they are here, else by its id."""
    for folder in (project.base, local_folder(project)):
        found = catalogue.family_at(folder) if folder else None
        if found:
            return found
    return catalogue.family_for(project.model_id)


def base_shape(project: Project) -> Shape | None:
    """Return the base model's sizes: by its files, where they are here, else by the catalogue."""
    for folder in (project.base, local_folder(project)):
        found = catalogue.shape_at(folder) if folder else None
        if found:
            return found
    entry = catalogue.find(project.model_id)
    return entry.shape if entry else None


def base_bytes(project: Project) -> int:
    """Return the bytes of the base model's 16-bit weights; 0 where they are not known yet."""
    folder = local_folder(project)
    size = project.base_bytes
    if folder is not None and not size:
        size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    return size or (catalogue.describe(project.model_id).parameters or 0) * 2


def hash_base_weights(project: Project) -> str | None:
    """Return a hash over the base model's weights alone; None where it has no manifest."""
    record = manifest.read(project.base)
    if record is None:
        return None
    weights = {name: file.sha256 for name, file in record.files.items() if is_weights(name)}
    return digest(weights)
