"""What a project still takes of a machine, by what its stages declare."""

from __future__ import annotations

from typing import NamedTuple

from phi3scaffold.models import catalogue
from phi3scaffold.models.base_model import base_bytes
from phi3scaffold.models.model_lock import local_folder
from phi3scaffold.pipeline import manifest
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.settings import Project
from phi3scaffold.stages import evaluate
from phi3scaffold.stages.graph import STAGES, up_to
from phi3scaffold.targets.base import RemoteTarget
from phi3scaffold.targets.registry import target_of


class MemoryNeed(NamedTuple):
    """The stage that takes most memory, as its title says it, and how many bytes."""

    title: str
    bytes: int


def weights_of(model: str, project: Project | None = None) -> int | None:
    """Return the bytes of the base model's 16-bit weights; None where they are not known yet."""
    if project is not None and model == project.model_id:
        return base_bytes(project) or None
    parameters = catalogue.describe(model).parameters
    return parameters * 2 if parameters else None


def memory_need(project: Project, weights: int) -> MemoryNeed:
    """Return what takes most memory on this machine, for base weights of that many bytes.

    Of a project in the cloud, that is measuring its forms: the same as to answer with them.
    """
    stages = [evaluate.STAGE] if target_of(project).remote else map(STAGES.__getitem__, up_to())
    needs = (MemoryNeed(stage.title, stage.resources.memory(project, weights)) for stage in stages)
    return max(needs, key=lambda need: need.bytes)


def disk_need(project: Project, weights: int) -> int:
    """Return the bytes that the stages of a run not made yet may take, and the download.

    Of a project in the cloud, those of the forms that are fetched.
    """
    target = target_of(project)
    fetched = target.forms(project, ()) if isinstance(target, RemoteTarget) else None
    needed = 0
    for stage in map(STAGES.__getitem__, up_to()):
        folder = stage.folder(project)
        if fetched is not None and folder.name not in fetched:
            continue
        try:
            if stage.wanted(project) and manifest.read(folder) is None:
                needed += stage.resources.disk(project, weights)
        except (ScaffoldError, OSError):  # the file that decides it is what other checks look at
            continue
    if fetched is not None:
        return needed
    local = local_folder(project)
    device = local.stat().st_dev if local is not None and local.is_dir() else None
    linked = device == project.root.stat().st_dev
    return needed + (0 if project.base_bytes or linked else weights)
