"""Results appear whole or not at all: a scratch folder, then a rename.

A folder is replaced by two renames. A crash between them leaves the old one in the scratch room
under a name that `recover` knows, and the next run puts it back. All is flushed to the disk before
the renames, and the renames before the old folder goes: a power loss leaves the one or the other.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from phi3scaffold.pipeline import manifest
from phi3scaffold.project.files import to_disk, tree_to_disk

SCRATCH = ".work"
OLD = "replaced-"


def scratch_for(folder: Path, scratch_root: Path) -> Path:
    """Return a new empty folder for the next version of `folder`, on the same disk."""
    scratch = scratch_root / f"{folder.name}-{os.getpid()}"
    if scratch.exists():
        shutil.rmtree(scratch)
    scratch.mkdir(parents=True)
    return scratch


def partial_for(folder: Path, root: Path, fingerprint: str) -> Path:
    """Return where a stage may save finished pieces of `folder` that outlive a killed run.

    They belong to one fingerprint; what others left behind is removed.
    """
    partial = root / f".{folder.name}-partial" / fingerprint[:16]
    if partial.parent.exists():
        for other in partial.parent.iterdir():
            if other != partial:
                shutil.rmtree(other)
    return partial


def publish(built: Path, folder: Path, scratch_root: Path) -> None:
    """Move `built` to `folder`, replacing what was there."""
    tree_to_disk(built)
    folder.parent.mkdir(parents=True, exist_ok=True)
    old = scratch_root / f"{OLD}{folder.name}"
    if folder.exists():
        if old.exists():
            shutil.rmtree(old)
        folder.rename(old)
    built.rename(folder)
    to_disk(folder.parent)
    if old.exists():
        shutil.rmtree(old)


def copy_whole(source: Path, folder: Path) -> None:
    """Copy a folder with a manifest to where nothing can be renamed: where the manifest is, all is.

    One that is there already stays where it has the same content.
    """
    wanted, last = manifest.read(source), manifest.read(folder)
    if wanted is None or (last is not None and last.content == wanted.content):
        return
    (folder / manifest.NAME).unlink(missing_ok=True)
    for name in wanted.files:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, target)
    shutil.copyfile(source / manifest.NAME, folder / manifest.NAME)


def recover(folders: list[Path], scratch_root: Path) -> None:
    """Put back what a killed run had set aside, and clear its scratch. Call it under the lock."""
    for folder in folders:
        old = scratch_root / f"{OLD}{folder.name}"
        if old.exists() and not folder.exists():
            old.rename(folder)
            to_disk(folder.parent)
    if scratch_root.exists():
        shutil.rmtree(scratch_root)
