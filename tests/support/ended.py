"""Whether processes have ended: those that nobody has waited for yet (zombies) have, too."""

from __future__ import annotations

import time

import psutil


def all_end(processes: list[psutil.Process], seconds: float = 2.0) -> bool:
    """Tell whether all end within `seconds`."""
    limit = time.monotonic() + seconds
    while any(map(_runs, processes)):
        if time.monotonic() > limit:
            return False
        time.sleep(0.02)
    return True


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
