"""The disk has room for the results of the pipeline.

The base model, its adapter, the merged model and the ONNX form lie in the project's folder. Each
stage declares how much it takes, and checks that before it starts. The hub's cache (HF_HOME) holds
datasets only: base models are downloaded into the project.

To fix it: move the project to a larger disk, or free some of this one. `make clean` removes the
results of a project that you no longer need.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from phi3scaffold.checks.resource_estimates import disk_need, weights_of
from phi3scaffold.project.findings import Finding
from phi3scaffold.project.formatting import binary_size
from phi3scaffold.targets.doctor_context import DoctorContext

ID = "D12-disk"
LEAST = 2**29  # for anything at all: packages, logs, temporary files


def check(context: DoctorContext) -> Iterator[Finding]:
    from huggingface_hub import constants

    free = shutil.disk_usage(context.folder).free
    where, message = str(context.folder), f"{binary_size(free)} are free"
    weights, needed = weights_of(context.model, context.project), 0
    if context.project is not None and weights is not None:
        needed = disk_need(context.project, weights)
        wanted = f"{binary_size(needed)} are still needed at most"
        message = f"{wanted if needed else 'no more is needed'}, {message}"
    if needed > free:
        fix = "free some disk space, or move the project to a larger disk"
        yield Finding(ID, "error", message, where, fix)
    elif free - needed < LEAST:
        yield Finding(ID, "warning", message, where, "free some disk space")
    else:
        yield Finding(ID, "ok", message, where)
    cache = nearest(Path(constants.HF_HUB_CACHE))
    free = shutil.disk_usage(cache).free
    if cache.stat().st_dev != context.folder.stat().st_dev and free < LEAST:
        message = f"The hub's cache: {binary_size(free)} are free"
        yield Finding(ID, "warning", message, str(cache), "set HF_HOME to a larger disk")


def nearest(folder: Path) -> Path:
    """Return the folder, or the one above it that is there."""
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    return folder
