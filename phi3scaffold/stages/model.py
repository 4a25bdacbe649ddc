"""`phi3scaffold model`: the base model's files into model-cache/base, at one commit."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict

from phi3scaffold.models import catalogue
from phi3scaffold.models.base_files import PARTIAL, clear_partials, fetch_base, is_base_of
from phi3scaffold.models.model_folder import (
    Progress,
    check_model_folder,
    check_tokenizer,
    refuse_links_out,
    wanted_files,
)
from phi3scaffold.models.model_lock import local_folder, pin
from phi3scaffold.pipeline.events import Bytes, Emit, Note
from phi3scaffold.pipeline.stage import Context, Facts, Inputs, Resources, Stage, Work
from phi3scaffold.project.settings import Project

SECONDS_PER_GB = 2.0  # to hash and link or copy, without the download


def inputs_of(project: Project, *, weights: bool) -> Inputs:
    """Return the lock, and for files of this machine the files."""
    lock = pin(project)
    folder = local_folder(project)
    if lock.source == "tiny":
        folder = catalogue.tiny_folder()
    elif folder is not None:  # before a byte of it is hashed
        (check_model_folder if weights else check_tokenizer)(folder)
        if project.base_override is None:
            refuse_links_out(folder)
    there = folder is not None and folder.is_dir()
    files = wanted_files(folder, weights=weights) if folder and there else []
    return Inputs(files=tuple(files), settings=asdict(lock))


def inputs(project: Project) -> Inputs:
    """Return `inputs_of` with weights; remove a partial download that is no longer needed."""
    lock = pin(project)
    if any(project.base.parent.glob(f"{PARTIAL}*")) and is_base_of(project.base, lock):
        clear_partials(project)  # published: the download is no longer needed
    return inputs_of(project, weights=True)


def run(context: Context) -> Facts:
    """Write the base model into the stage's folder; returns what it is."""
    project = context.project
    report = throttled(context.emit)
    lock = fetch_base(project, context.out, progress=report, say=noted(context.emit, "model"))
    size = sum(path.stat().st_size for path in context.out.iterdir() if path.is_file())
    return {"id": lock.id, "source": lock.source, "commit": lock.commit, "bytes": size}


def work(project: Project, weights: int) -> Work:
    """Return what comes over the network; nothing for files of this machine."""
    here = local_folder(project) is not None or project.is_demonstration or project.base_bytes
    return Work(download=0 if here else weights, seconds=weights / 1e9 * SECONDS_PER_GB)


def noted(emit: Emit, stage: str) -> Callable[[str], None]:
    """Return a function that emits a text as the stage's note."""
    return lambda text: emit(Note(stage, text))


def throttled(emit: Emit) -> Progress:
    """Emit progress as events, at most five a second and always the last one."""
    last = 0.0

    def report(what: str, done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= 0.2 or done >= total:
            last = now
            emit(Bytes(what, done, total))

    return report


STAGE = Stage(
    name="model",
    title="fetching the base model",
    folder=lambda project: project.base,
    inputs=inputs,
    run=run,
    needs_accelerator=False,
    resources=Resources(work=work),
    from_cloud="never",
)
