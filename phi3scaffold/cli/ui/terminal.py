"""What a stream can show: a terminal with colours, one without, or no terminal at all."""

from __future__ import annotations

import os
import sys
from typing import TextIO

PLAIN = ("", "dumb")  # terminals that cannot move their cursor


def can_move(stream: TextIO) -> bool:
    """Return whether this is a terminal that can move its cursor."""
    return stream.isatty() and (os.name != "posix" or os.environ.get("TERM", "") not in PLAIN)


def has_colour(stream: TextIO) -> bool:
    """Return whether this is a terminal that shows bold type and colours, and may."""
    return can_move(stream) and not os.environ.get("NO_COLOR")


def discard_output() -> None:
    """Send what is left for standard output nowhere, once nobody reads it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
