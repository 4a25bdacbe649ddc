"""What a stream can show: a terminal with colours, one without, or no terminal at all."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console

PLAIN = ("", "dumb")  # terminals that cannot move their cursor
# An answer must not move the cursor, colour what follows or rename the window.
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
OWN = re.compile(r"(\x1b\[[012]?m)")  # bold, dim, and their end
COLOURS = re.compile(r"(\x1b\[(?:[0127]|3[1-6])?(?:;(?:[017]|3[1-6]))*m)")  # git's


class CleanStream:
    """A terminal that gets the control characters of other people's texts written out.

    A label, a file's name, a key or a message of a library may hold them: they would move the
    cursor over what stands there, rename the window or type for the user. rich, whose bars move the
    cursor, writes to the terminal itself: see `console`.
    """

    def __init__(self, stream: TextIO) -> None:
        self.terminal = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.terminal, name)

    def write(self, text: str) -> int:
        """Write the text, clean; return its length."""
        self.terminal.write(without_controls(text, OWN))
        return len(text)


def without_controls(text: str, keep: re.Pattern[str] | None = None) -> str:
    """Write control characters out, as ``\\x1b``, but line breaks, tabs and what is to be kept."""
    if not CONTROLS.search(text):
        return text
    parts = keep.split(text) if keep else [text]
    parts[::2] = (CONTROLS.sub(_written_out, part) for part in parts[::2])
    return "".join(parts)


def _written_out(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")


def print_coloured(text: str) -> None:
    """Print what git has coloured; nothing else in it reaches a terminal."""
    if isinstance(sys.stdout, CleanStream):
        sys.stdout.terminal.write(without_controls(text, COLOURS))
    else:
        print(text, end="")


def guard_terminal() -> None:
    """Let what is printed at a terminal from now on be clean."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream.isatty() and not isinstance(stream, CleanStream):
            setattr(sys, name, CleanStream(stream))


def console(stream: TextIO | None = None, **options: Any) -> Console:
    """Return rich's console; who prints on it makes other people's texts clean."""
    from rich.console import Console

    stream = stream or sys.stdout
    terminal = stream.terminal if isinstance(stream, CleanStream) else stream
    return Console(file=terminal, highlight=False, emoji=False, **options)


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
    console().print(without_controls(line), style=style, markup=False, soft_wrap=True)


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
