"""make is installed; without it, type the commands yourself.

Each line of a project's Makefile is one command that works by itself.

To fix it: no action is needed. `make setup` is `sh setup/setup.sh` (Windows:
`setup\\setup.ps1`), `make finetune` is `.venv/bin/phi3scaffold run`, and every other goal is the
verb of its name.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator

from phi3scaffold.project.findings import Finding
from phi3scaffold.targets.doctor_context import DoctorContext

ID = "D17-make"


def check(context: DoctorContext) -> Iterator[Finding]:
    if shutil.which("make"):
        yield Finding(ID, "ok", "installed")
        return
    windows = sys.platform == "win32"
    verb = r".venv\Scripts\phi3scaffold" if windows else ".venv/bin/phi3scaffold"
    fix = f"instead of make setup: {context.setup}; "
    fix += f"of make finetune: {verb} run; of make infer: {verb} infer"
    yield Finding(ID, "note", "Not installed, and not needed", fix=fix)
