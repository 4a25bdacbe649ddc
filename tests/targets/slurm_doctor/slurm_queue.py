"""The queue takes jobs.

A cluster that is being maintained takes none.

To fix it: ask who runs the cluster.
"""

from __future__ import annotations

from collections.abc import Iterator

from phi3scaffold.project.findings import Finding
from phi3scaffold.targets.doctor_context import DoctorContext

ID = "D99-slurm-queue"


def check(context: DoctorContext) -> Iterator[Finding]:
    yield Finding(ID, "error", f"{context.login}: the queue is closed", fix="wait")
