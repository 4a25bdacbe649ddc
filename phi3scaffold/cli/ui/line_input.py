"""What a person types: edited and remembered in a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from phi3scaffold.cli.ui.terminal import can_move, has_colour
from phi3scaffold.project.errors import ScaffoldError

Ask = Callable[[str], str]
ENTRY = b"\n# "  # how prompt_toolkit begins each entry of a history


def dim(text: str, stream: TextIO) -> str:
    """The text less bright, where the terminal can and its user wants that."""
    return f"\x1b[2m{text}\x1b[0m" if has_colour(stream) else text


def asker(history: Path | None, words: Sequence[str]) -> Ask:
    """A function that shows a prompt and returns what was typed.

    It raises EOFError at the end of the input and KeyboardInterrupt at Ctrl-C. In a terminal, Enter
    sends, Alt+Enter begins another line, pasted lines stay together, and the arrows bring back what
    was typed before.

    Args:
        history: a file that keeps what was typed, for the next time; None: nothing is written.
        words: what TAB completes at the beginning.

    Raises:
        ScaffoldError: the file holds something else.
    """
    if not sys.stdin.isatty() and isinstance(sys.stdin, io.TextIOWrapper):
        # what is no UTF-8 is refused with its line, and the next one is read
        sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")
    return _edited(history, words) if _can_edit() else _plain


@contextlib.contextmanager
def keys_held() -> Iterator[None]:
    """Meanwhile what is typed where nobody asks is kept, unseen, for who asks next.

    Else the terminal would show it in the midst of an answer, and a Ctrl-D would be lost: as long
    as it gathers lines itself, it keeps that as a mark, and hands on a zero byte.
    """
    try:
        import termios
    except ImportError:  # Windows keeps keys as they are
        yield
        return
    if not _can_edit():
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    held = termios.tcgetattr(sys.stdin)
    held[3] &= ~(termios.ICANON | termios.ECHO)  # the local modes; Ctrl-C remains a signal
    termios.tcsetattr(sys.stdin, termios.TCSANOW, held)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSANOW, before)


def _can_edit() -> bool:
    return sys.stdin.isatty() and can_move(sys.stdout)


def _plain(prompt: str) -> str:
    if not sys.stdin.isatty():  # nobody is to see a prompt
        return input().removeprefix("\ufeff").removesuffix("\r")
    print(prompt, end="", file=sys.stderr, flush=True)  # answers alone go to standard output
    try:
        return input()
    except (EOFError, KeyboardInterrupt):
        print(file=sys.stderr)
        raise


def _edited(history: Path | None, words: Sequence[str]) -> Ask:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import WordCompleter
    from prompt_toolkit.history import FileHistory, History, InMemoryHistory
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

    keys = KeyBindings()

    @keys.add("enter")
    def _send(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def _another_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    kept: History = InMemoryHistory()
    if history is not None:
        _check(history)
        kept = FileHistory(str(history))
    session: PromptSession[str] = PromptSession(
        history=kept,
        key_bindings=keys,
        multiline=True,
        completer=WordCompleter(list(words), sentence=True),
        complete_while_typing=False,
        prompt_continuation=_continued,
    )
    return session.prompt


def _continued(width: int, number: int, wrapped: int) -> str:
    """What stands before a line that is not the first: dots, unless it only goes on there."""
    return (" " if wrapped else ".") * (width - 1) + " "


def _check(history: Path) -> None:
    """Make the file, nobody else's to read; refuse what is no history, and would be added to."""
    with os.fdopen(os.open(history, os.O_CREAT | os.O_RDONLY, 0o600), "rb") as stream:
        if stream.read(len(ENTRY)) not in (b"", ENTRY):
            raise ScaffoldError(
                "This file holds something else than what was typed.",
                where=history,
                fix="name a file that does not exist yet",
            )
    history.chmod(0o600)
