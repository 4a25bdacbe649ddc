"""The project's own environment exists, works, and is the one in use.

`make` and the tasks of VS Code run what is installed in `.venv`. A phi3scaffold that is installed
elsewhere is another version with other packages: its findings may not hold for the project, and a
stage that it runs may fail.

To fix it: `make setup` creates `.venv`. Run it again whenever setup/ has changed. Remove a broken
environment first.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from phi3scaffold import __version__
from phi3scaffold.pipeline.installed_packages import FOLDERS, Environment
from phi3scaffold.project.findings import Finding
from phi3scaffold.targets.doctor_context import DoctorContext

ID = "D03-environment"


def check(context: DoctorContext) -> Iterator[Finding]:
    if context.project is None:
        return
    there = [one for one in context.environments if one.name in FOLDERS]
    if not any(one.name == ".venv" for one in there):
        if all(context.environments[0].installed(name) for name in ("torch", "olive-ai")):
            yield Finding(ID, "ok", "there is no .venv here; this Python is used", sys.prefix)
        else:
            what = "There is no .venv here yet, and this Python has not what the project needs"
            yield Finding(ID, "note", what, str(context.folder / ".venv"), context.setup)
    for one in there:
        yield _working(one, context)
    if there and all(one.sites is not None for one in there):
        what = (
            f"This command is phi3scaffold {__version__} of another Python; what it says of "
            "packages is about the project's"
        )
        script = Path(there[0].name) / there[0].python.parent.name / "phi3scaffold"
        fix = f"make doctor, or {script} doctor"
        yield Finding(ID, "note", what, sys.executable, fix)


def _working(one: Environment, context: DoctorContext) -> Finding:
    anew = f"remove {one.name}, then {context.setup}"
    if not one.python.exists():
        gone = one.python.readlink() if one.python.is_symlink() else "it"
        what = f"{one.name} does not work: its Python is gone ({gone})"
        return Finding(ID, "error", what, where=str(one.python), fix=anew)
    if one.sites is not None:
        try:
            subprocess.run([one.python, "-S", "-c", ""], check=True, capture_output=True, timeout=5)
        except (OSError, subprocess.SubprocessError):
            what = f"{one.name} does not work: its Python does not start"
            return Finding(ID, "error", what, where=str(one.python), fix=anew)
    wheels = list((context.folder / "setup").glob("phi3scaffold-*.whl"))
    versions = {wheel.name.split("-")[1] for wheel in wheels}
    installed = one.installed("phi3scaffold")
    if installed is None:
        what = f"{one.name} has no phi3scaffold"
        return Finding(ID, "error", what, where=str(one.folder), fix=context.setup)
    if "+" in installed and versions and installed not in versions:
        what = f"{one.name} has phi3scaffold {installed}, setup/ has {', '.join(versions)}"
        return Finding(ID, "warning", what, where=str(one.folder), fix=context.setup)
    return Finding(ID, "ok", f"{one.name}: phi3scaffold {installed}", where=str(one.folder))
