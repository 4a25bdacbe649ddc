"""What a project takes of the disk, and what of it can be made or downloaded again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from phi3scaffold.models.base_files import PARTIAL
from phi3scaffold.pipeline.atomic_publish import SCRATCH
from phi3scaffold.pipeline.runner import only_run
from phi3scaffold.project.layout import PROJECT_FILE
from phi3scaffold.project.settings import Project
from phi3scaffold.stages.graph import STAGES

# In gen-model/, beside what stages publish.
OTHER_RESULTS = ("search", "logs", ".lint-olive.json")
NOT_PROJECTS = (".git", "gen-model", "model-cache", "node_modules", "__pycache__", "datasets")


@dataclass(frozen=True)
class Removable:
    """A file or folder that can be made again, and its bytes."""

    path: Path
    bytes: int


def disk_use(project: Project) -> dict[str, int]:
    """Return bytes of each folder of a project, and of each below gen-model/, by its name."""
    found: dict[str, int] = {}
    for path in sorted(_entries(project.root)):
        if path == project.gen and not path.is_symlink():
            for below in sorted(_entries(path)):
                found[f"{path.name}/{below.name}"] = size_of(below)
        elif path.is_dir():
            found[path.name] = size_of(path)
    return {name: size for name, size in found.items() if size}


def removable(project: Project, *, everything: bool = False) -> list[Removable]:
    """Return what a run makes again: results, logs and scratch folders.

    Rows, settings, tracked runs and what somebody else has put there are not among it. With
    `everything`, what is downloaded again is: the base model and its tokenizer.
    """
    folders = [stage.folder(project) for stage in STAGES.values()]
    below = [project.gen / name for name in OTHER_RESULTS]
    below += [folder for folder in folders if folder.parent == project.gen]
    if project.gen.is_dir():
        below += project.gen.glob(f"{SCRATCH}*")
        below += [project.gen / f".{path.name}-partial" for path in folders]
    if everything:
        below += [folder for folder in folders if folder.parent != project.gen]
        below += project.base.parent.glob(f"{PARTIAL}*")
    there = [path for path in dict.fromkeys(below) if os.path.lexists(path)]
    return [Removable(path, size_of(path)) for path in there]


def clean(project: Project, *, everything: bool = False) -> list[Removable]:
    """Remove what `removable` names; return it.

    Raises:
        ScaffoldError: a run is going on.
        OSError: something cannot be removed.
    """
    if not project.gen.is_dir() and not everything:
        return []
    with only_run(project):
        found = removable(project, everything=everything)
        for one in found:
            if one.path.is_dir() and not one.path.is_symlink():
                shutil.rmtree(one.path)
            else:
                one.path.unlink()
    return found


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of the files in a folder; a link counts as nothing."""
    if path.is_symlink():
        return 0
    if not path.is_dir():
        return path.stat().st_size
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                total += (Path(folder) / name).lstat().st_size
            except OSError:  # it has gone meanwhile
                continue
    return total


def projects_below(folder: Path) -> Iterator[Path]:
    """Yield the folders of the projects in a folder, itself among them."""
    for here, names, files in os.walk(folder):
        if PROJECT_FILE in files:
            names.clear()
            yield Path(here)
        names[:] = sorted(
            name for name in names if name not in NOT_PROJECTS and not name.startswith(".")
        )


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []
