"""Bring back what a job made: streamed, checked against the manifest, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from phi3scaffold.pipeline import atomic_publish, manifest
from phi3scaffold.pipeline.events import Bytes, Emit, Note, StageEnded, StageStarted
from phi3scaffold.pipeline.hashing import StatCache, project_cache
from phi3scaffold.pipeline.runner import only_run
from phi3scaffold.pipeline.stage_runner import scratch
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError
from phi3scaffold.project.formatting import binary_size, decimal_size
from phi3scaffold.project.settings import Project
from phi3scaffold.stages.graph import STAGES
from phi3scaffold.targets.azureml.job_record import JobRecord
from phi3scaffold.targets.azureml.workspace import Workspace


def fetch(
    workspace: Workspace, record: JobRecord, project: Project, forms: Sequence[str], emit: Emit
) -> list[str]:
    """Bring back `forms`, the adapter first, and the reports; what is there already is kept.

    Returns:
        The forms that the job has not made (yet).

    Raises:
        ScaffoldError: exit code 1, a file is not what the manifest says (nothing is changed then),
            or the disk is too small; `AzureUnreachable`.
    """
    container = workspace.container(record.datastore)
    missing = []
    order = [*(form for form in forms if form == "adapter"), *always_fetched(project)]
    order += [form for form in forms if form not in order]
    with only_run(project):
        folders = [project.gen / name for name in order]
        atomic_publish.recover(folders, scratch(project))
        try:
            for folder in folders:
                with workspace.translated_errors():
                    prefix = f"{record.path.rstrip('/')}/{folder.name}"
                    brought = _fetch_folder(container, prefix, folder, scratch(project), emit)
                if brought is None:
                    missing.append(folder.name)
                elif folder.name in forms:
                    here = folder.relative_to(project.root).as_posix()
                    size = f"{decimal_size(brought)} brought back" if brought else "is here already"
                    emit(Note("azure", f"{here}: {size}"))
        finally:
            atomic_publish.recover(folders, scratch(project))
    return [name for name in missing if name in forms]


def always_fetched(project: Project) -> list[str]:
    """Return the folders that are fetched whatever forms are asked for: those of the reports."""
    every = (stage for stage in STAGES.values() if stage.from_cloud == "always")
    return [stage.folder(project).name for stage in every]


def is_complete(project: Project, forms: Sequence[str]) -> bool:
    """Tell whether all of `forms` are here, every file as its manifest says."""
    with project_cache(project) as cache:
        for folder in (project.gen / form for form in (*forms, *always_fetched(project))):
            fetched = manifest.read(folder)
            if fetched is None or manifest.first_difference(folder, fetched, cache) is not None:
                return False
    return True


def _fetch_folder(container: Any, prefix: str, folder: Path, room: Path, emit: Emit) -> int | None:
    """Fetch one folder; return its bytes (0: it was here), or None where it is not finished."""
    from azure.core.exceptions import ResourceNotFoundError

    try:
        text = container.download_blob(f"{prefix}/{manifest.NAME}").readall()
    except ResourceNotFoundError:
        return None
    expected = _read(text, prefix)
    here = manifest.read(folder)
    if (
        here == expected
        and manifest.first_difference(folder, expected, StatCache(room / "none")) is None
    ):
        return 0
    total = expected.total_bytes
    _check_room(folder, total)
    begun = time.monotonic()
    emit(StageStarted("fetch", f"bringing back {folder.name}"))
    out = atomic_publish.scratch_for(folder, room)
    done = 0
    for name, entry in expected.files.items():
        target = out / name
        target.parent.mkdir(parents=True, exist_ok=True)
        sha256 = hashlib.sha256()
        try:
            with target.open("wb") as stream:
                for piece in container.download_blob(f"{prefix}/{name}").chunks():
                    sha256.update(piece)
                    stream.write(piece)
                    done += len(piece)
                    emit(Bytes(folder.name, done, total))
        except ResourceNotFoundError:
            raise _refused(prefix, name, "is missing") from None
        if sha256.hexdigest() != entry.sha256:
            raise _refused(prefix, name, "is not what the manifest says")
    (out / manifest.NAME).write_bytes(text)
    atomic_publish.publish(out, folder, room)
    emit(StageEnded("fetch", seconds=round(time.monotonic() - begun, 3)))
    return total


def _read(text: bytes, prefix: str) -> manifest.Manifest:
    """Return the manifest; its names stay inside the folder. Raises ScaffoldError."""
    try:
        return manifest.Manifest.from_json(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError):
        raise _refused(prefix, manifest.NAME, "cannot be understood") from None


def _check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder.parent).free
    if needed > free:
        raise ScaffoldError(
            f"The disk is too small for {folder.name}: {binary_size(needed)} are needed, "
            f"{binary_size(free)} are free.",
            where=folder.parent,
            fix="free some disk space; then: phi3scaffold job fetch",
        )


def _refused(prefix: str, name: str, why: str) -> ScaffoldError:
    return ScaffoldError(
        f"What the job made did not arrive whole: {name} {why}. Nothing was changed.",
        where=f"{prefix}/{name}",
        fix="fetch it again: phi3scaffold job fetch",
        exit_code=FAILED_RUN,
    )
