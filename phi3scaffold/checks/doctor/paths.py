"""Every tool can handle the project's path.

Windows takes paths of 260 characters, unless LongPathsEnabled is set in its registry, and packages
in .venv have long ones. Python refuses to create a virtual environment in a path with a colon. A
synchronized folder (OneDrive, Dropbox, iCloud) uploads gigabytes of models and locks files
meanwhile. In WSL the disks of Windows (/mnt/c) are many times slower than WSL's own.

To fix it: move the project. Only .venv contains its path, and `make setup` creates that again.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from phi3scaffold.pipeline import machine
from phi3scaffold.project.findings import Finding
from phi3scaffold.targets.doctor_context import DoctorContext

ID = "D14-paths"
BELOW = 200  # characters of the longest path below a project: in PyTorch, 196 with .venv
SYNCHRONIZED = ("onedrive", "dropbox", "icloud", "mobile documents", "google drive")
LONG = (
    "as administrator: reg add HKLM\\SYSTEM\\CurrentControlSet\\Control\\FileSystem "
    "/v LongPathsEnabled /t REG_DWORD /d 1 /f"
)


def check(context: DoctorContext) -> Iterator[Finding]:
    found = [*problems(context.folder, windows=sys.platform == "win32", long=_long_paths())]
    yield from found
    if not found:
        yield Finding(ID, "ok", "no trouble with its path", where=str(context.folder))


def problems(folder: Path, *, windows: bool, long: bool) -> Iterator[Finding]:
    """Yield what is wrong with a project's path; `long`: whether Windows takes long ones."""
    where = str(folder)
    if windows and not long and len(where) + BELOW > 260:
        message = f"{len(where)} characters: files in .venv exceed the 260 that Windows takes"
        yield Finding(ID, "error", message, where, f"a shorter path, such as C:\\p; or {LONG}")
    if not windows and os.pathsep in where:
        message = f"{os.pathsep!r} in the path: Python makes no virtual environment there"
        yield Finding(ID, "error", message, where=where, fix="move the project to another folder")
    for part in where.lower().replace("\\", "/").split("/"):
        if part.startswith(SYNCHRONIZED):
            message = f"{part}: models of gigabytes are uploaded, and locked meanwhile"
            fix = "move the project out of the folder that is synchronized"
            yield Finding(ID, "warning", message, where=where, fix=fix)
            break
    if where.startswith("/mnt/") and _is_wsl():
        message = "A disk of Windows, many times slower than WSL's own"
        yield Finding(ID, "warning", message, where=where, fix="move the project below ~ in WSL")


def _is_wsl() -> bool:
    try:
        text = (machine.ROOT / "proc" / "version").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return "microsoft" in text.lower()


def _long_paths() -> bool:
    if sys.platform != "win32":
        return True
    import winreg

    key = r"SYSTEM\CurrentControlSet\Control\FileSystem"
    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key) as opened:
            return bool(winreg.QueryValueEx(opened, "LongPathsEnabled")[0])
    except OSError:
        return False
