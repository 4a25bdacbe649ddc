"""project.yaml can be read.

Everything else that doctor reports about a project depends on it. `phi3scaffold lint` checks
whether the project's files are sound and agree with each other.

To fix it: the message names the line and the key.
"""

from __future__ import annotations

from collections.abc import Iterator

from phi3scaffold.project.findings import Finding, from_error
from phi3scaffold.targets.doctor_context import DoctorContext

ID = "D01-project"


def check(context: DoctorContext) -> Iterator[Finding]:
    if context.broken is not None:
        yield from_error(ID, context.broken)
    elif context.project is not None:
        yield Finding(ID, "ok", "project.yaml can be read", where=str(context.folder))
