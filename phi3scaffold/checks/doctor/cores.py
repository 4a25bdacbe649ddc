"""The number of threads fits the number of processors.

PyTorch and ONNX Runtime start a thread for each core that they see. In a container with a quota
(`docker run --cpus`) they see all cores of the host, and the threads wait for each other.
OMP_NUM_THREADS=1, which some shells and clusters set, leaves all cores but one idle.

To fix it: set OMP_NUM_THREADS to the quota, or unset it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from phi3scaffold.pipeline import machine
from phi3scaffold.project.findings import Finding
from phi3scaffold.targets.doctor_context import DoctorContext

ID = "D08-cores"


def check(context: DoctorContext) -> Iterator[Finding]:
    cores, quota = machine.cores(), machine.cpu_quota()
    threads = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    usable = cores if quota is None else min(cores, max(1, int(quota)))
    if threads.isdigit() and 0 < int(threads) < usable:
        what = f"OMP_NUM_THREADS={threads}: training uses {threads} of {usable} cores"
        yield Finding(ID, "warning", what, fix="unset OMP_NUM_THREADS")
    elif usable < cores and not threads.isdigit():
        what = (
            f"This container may use {quota:g} of {cores} cores; PyTorch starts {cores} threads, "
            "which wait for each other"
        )
        yield Finding(ID, "warning", what, fix=f"export OMP_NUM_THREADS={usable}")
    elif usable == 1 and not context.remote:
        yield Finding(ID, "note", "One core: every stage is slow", fix="more cores, where possible")
    else:
        yield Finding(ID, "ok", f"{usable} cores")
