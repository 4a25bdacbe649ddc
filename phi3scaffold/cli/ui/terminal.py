"""What a stream can show: a terminal with colours, one without, or no terminal at all."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from typing import TextIO

PLAIN = ("", "dumb")  # terminals that cannot move their cursor
# An answer must not move the cursor, colour what follows or rename the window.
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def can_move(stream: TextIO) -> bool:
    """Return whether this is a terminal that can move its cursor."""
    return stream.isatty() and (os.name != "posix" or os.environ.get("TERM", "") not in PLAIN)


def has_colour(stream: TextIO) -> bool:
    """Return whether this is a terminal that shows bold type and colours, and may."""
    return can_move(stream) and not os.environ.get("NO_COLOR")


def print_line(line: str, style: str | None = None) -> None:
    """Print a line, in a style of rich's where the terminal shows it."""
    if not style or not has_colour(sys.stdout):
        print(line)
        return
    from rich.console import Console

    console = Console(highlight=False, emoji=False)
    console.print(line, style=style, markup=False, soft_wrap=True)


def discard_output() -> None:
    """Send what is left for standard output nowhere, once nobody reads it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def printable(text: str) -> str:
    """Return the text for standard output: a terminal does not get its control characters."""
    return CONTROLS.sub("\ufffd", text) if sys.stdout.isatty() else text


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines whose cells stand below each other, two columns apart."""
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    padded = (
        (cell.ljust(width) for cell, width in zip(row, widths, strict=True) if width)
        for row in rows
    )
    return ["  ".join(cells).rstrip() for cells in padded]
