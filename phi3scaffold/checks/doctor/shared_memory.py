"""Processes can share as much memory as several GPUs need.

/dev/shm holds what processes share: the locks between the workers that prepare large data, and
what NCCL passes between the GPUs of one machine. A container has 64 MB of it by default.

To fix it: start the container with `docker run --shm-size=16g` (or `--ipc=host`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

from phi3scaffold.pipeline import machine
from phi3scaffold.project.findings import Finding
from phi3scaffold.project.formatting import binary_size
from phi3scaffold.targets.doctor_context import DoctorContext

ID = "D11-shared-memory"
ENOUGH = 2**30  # for NCCL between the GPUs of one machine


def check(context: DoctorContext) -> Iterator[Finding]:
    folder = machine.ROOT / "dev" / "shm"
    if not folder.is_dir() or context.remote:
        return  # Windows and macOS have none
    total = shutil.disk_usage(folder).total
    larger = "start the container with docker run --shm-size=16g"
    if not os.access(folder, os.W_OK):
        what = "It cannot be written to: worker processes cannot start"
        yield Finding(ID, "error", what, str(folder), "mount -o remount,rw /dev/shm, as root")
    elif total < ENOUGH and context.trains_on_gpu and len(context.gpus) > 1:
        message = f"{binary_size(total)}, too little for {len(context.gpus)} GPUs at once"
        yield Finding(ID, "warning", message, where=str(folder), fix=larger)
    else:
        yield Finding(ID, "ok", f"{binary_size(total)}", where=str(folder))
