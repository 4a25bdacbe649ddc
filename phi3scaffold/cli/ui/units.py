"""Bytes and paths in words."""

from __future__ import annotations

import os
from pathlib import Path


def binary(count: float) -> str:
    """Of memory: ``451 MiB``, ``7.82 GiB``."""
    return f"{count / 2**30:.2f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


def decimal(count: float) -> str:
    """Of files, as disks are sold: ``5.8 MB``, ``2.83 GB``."""
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def from_here(path: Path) -> str:
    """A path as short as it can be typed from the current folder."""
    try:
        relative = os.path.relpath(path)
    except ValueError:  # another drive
        return str(path)
    return str(path) if relative.startswith(os.pardir) else relative
