"""setup/ holds one intact wheel of the runtime, the one that the answers file names.

The project carries its runtime: `make setup` installs it from there, and a job in the cloud
unpacks it. .copier-answers.yml has its sha256. In a project with the demonstration model the wheel
carries the weights and is not in git, so a fresh clone has none.

To fix it: restore it from git (`git checkout -- setup`), or copy it from where the project was
created. Of several wheels keep the newest.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.files import read_yaml
from phi3scaffold.project.findings import Finding
from phi3scaffold.targets.doctor_context import DoctorContext

ID = "D04-wheel"


def check(context: DoctorContext) -> Iterator[Finding]:
    if context.project is None:
        return
    setup = context.folder / "setup"
    wheels = sorted(setup.glob("phi3scaffold-*.whl"))
    if not wheels:
        fix = "copy it from where the project was made, or take it from git: git checkout -- setup"
        yield Finding(ID, "error", "The runtime's wheel is missing", str(setup), fix)
    if len(wheels) > 1:
        names = ", ".join(wheel.name for wheel in wheels)
        what = f"There are {len(wheels)} wheels of phi3scaffold: {names}"
        yield Finding(ID, "error", what, where=str(setup), fix="keep the newest alone")
    for wheel in wheels:
        if not _whole(wheel):
            fix = "take it from git again: git checkout -- setup"
            yield Finding(ID, "error", "The runtime's wheel is damaged", str(wheel), fix)
        elif len(wheels) == 1:
            yield _compared(wheel, context)


def _compared(wheel: Path, context: DoctorContext) -> Finding:
    """Compare the wheel with the record in the answers file."""
    from phi3scaffold.generator.template import ANSWERS
    from phi3scaffold.generator.wheel import RECORD, wrong_wheel

    try:
        recorded = read_yaml(context.folder / ANSWERS).get(RECORD)
    except ScaffoldError:  # missing or damaged; lint tells more
        recorded = None
    wrong = wrong_wheel(wheel, recorded)
    if wrong is None:
        return Finding(ID, "ok", wheel.name, where=str(wheel.parent))
    fix = "phi3scaffold update; or take both from git again: git checkout -- setup " + ANSWERS
    return Finding(ID, "error" if recorded else "warning", wrong, str(wheel), fix)


def _whole(wheel: Path) -> bool:
    from phi3scaffold.generator.requirements import open_wheel

    try:
        with open_wheel(wheel) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile):
        return False
