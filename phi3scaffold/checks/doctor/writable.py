"""The pipeline can write its files.

It writes into the project (gen-model/, model-cache/, model.lock), into the folder for temporary
files (TMPDIR) and into the hub's cache (HF_HOME). It usually fails in folders that root has
created in a container.

To fix it: `sudo chown -R "$(id -u):$(id -g)" .` makes them yours again. TMPDIR and HF_HOME can name
other folders.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from phi3scaffold.checks.doctor.disk import nearest
from phi3scaffold.project.findings import Finding
from phi3scaffold.targets.doctor_context import DoctorContext

ID = "D13-writable"


def check(context: DoctorContext) -> Iterator[Finding]:
    from huggingface_hub import constants

    places: dict[Path, str] = {}
    if context.project is not None:
        project = context.project
        mine = f'sudo chown -R "$(id -u):$(id -g)" "{project.root}"'
        if sys.platform == "win32":
            mine = "take ownership, or give yourself the right to write"
        inside = (project.gen, project.base.parent, *project.gen.glob("*/"))
        places |= {nearest(folder): mine for folder in (project.root, *inside)}
    places.setdefault(nearest(Path(constants.HF_HUB_CACHE)), "set HF_HOME to a folder of your own")
    refused = False
    for folder, fix in places.items():
        error = _refusal(folder)
        if error is not None:
            refused = True
            message = f"Cannot be written to: {error.strerror or error}"
            yield Finding(ID, "error", message, where=str(folder), fix=fix)
    try:
        temporary = Path(tempfile.gettempdir())
        error = _refusal(temporary)
    except OSError as none:
        temporary, error = Path(), none
    if error is not None:
        refused = True
        message = f"No folder for temporary files: {error.strerror or error}"
        fix = "set TMPDIR (Windows: TEMP) to a folder of your own"
        yield Finding(ID, "error", message, where=str(temporary), fix=fix)
    if not refused:
        yield Finding(ID, "ok", f"{len(places) + 1} folders can be written to")


def _refusal(folder: Path) -> OSError | None:
    """Return what the system says to a new file there; None where it can be made."""
    try:
        with tempfile.TemporaryFile(dir=folder, prefix=".phi3scaffold-"):
            return None
    except OSError as error:
        return error
