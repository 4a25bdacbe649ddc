"""The server's log: lines on standard error."""

from __future__ import annotations

import contextlib
import sys


def log(line: str) -> None:
    """Write a line. Where that fails (a full disk, a closed pipe), serving goes on."""
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)
