"""Python is a 64-bit version that the pinned packages support.

PyTorch, ONNX Runtime and pyarrow publish wheels for some versions of Python only, and none for
32-bit Python.

To fix it: install a Python from 3.11 to 3.13. `PYTHON=/path/to/python3.11 make setup` (Windows:
`setup\\setup.ps1 -Python C:\\path\\python.exe`) creates the project's environment with it.
"""

from __future__ import annotations

import platform
import struct
import sys
from collections.abc import Iterator

from phi3scaffold.project.findings import Finding
from phi3scaffold.targets.doctor_context import DoctorContext

ID = "D02-python"


def check(context: DoctorContext) -> Iterator[Finding]:
    from packaging.specifiers import SpecifierSet

    from phi3scaffold.generator.requirements import distribution

    wanted = dict(distribution().fields).get("Requires-Python", "")
    bits = struct.calcsize("P") * 8
    if bits != 64:
        what = f"This Python has {bits} bits; PyTorch and ONNX Runtime have no wheels for it"
        fix = "install a Python of 64 bits, from 3.11 to 3.13"
        yield Finding(ID, "error", what, sys.executable, fix)
    for one in context.environments:
        version = one.version
        if version is None:
            continue
        if version not in SpecifierSet(wanted, prereleases=True):
            what = f"Python {version} is not one that the packages are for ({wanted})"
            fix = (
                "remove that folder, then PYTHON=/path/to/python3.11 sh setup/setup.sh"
                if one.sites is not None or context.project
                else "install phi3scaffold with Python 3.11, 3.12 or 3.13"
            )
            yield Finding(ID, "error", what, str(one.python), fix)
        elif bits == 64:
            kind = platform.python_implementation()
            yield Finding(ID, "ok", f"{kind} {version}, {bits} bits", where=str(one.python))
