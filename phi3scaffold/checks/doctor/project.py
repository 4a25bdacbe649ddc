"""project.yaml can be read.

Everything else that doctor says about a project rests on it. Whether the project's files are sound
and agree with each other is what `phi3scaffold lint` looks at.

To mend it: the message names the line and the key.
"""

from __future__ import annotations

from collections.abc import Iterator

from phi3scaffold.checks.doctor_context import Scene
from phi3scaffold.checks.verdict import Verdict, from_error

ID = "D01-project"


def check(scene: Scene) -> Iterator[Verdict]:
    if scene.broken is not None:
        yield from_error(ID, scene.broken)
    elif scene.project is not None:
        yield Verdict(ID, "ok", "project.yaml can be read", where=str(scene.folder))
