"""Lines that a person types: with editing and history in a terminal, plain lines elsewhere."""

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
ENTRY = b"\n# "  # the beginning of each entry in prompt_toolkit's history files


def dim(text: str, stream: TextIO) -> str:
    """Return the text dimmed, if the terminal shows colours and its user wants them."""
    return f"\x1b[2m{text}\x1b[0m" if has_colour(stream) else text


def asker(history: Path | None, words: Sequence[str]) -> Ask:
    """Return a function that shows a prompt and returns the typed text.

    It raises EOFError at the end of the input and KeyboardInterrupt at Ctrl-C.

    Args:
        history: a file that keeps typed texts for the next time; None: nothing is written.
        words: the words that TAB completes at the beginning.

    Raises:
        ScaffoldError: the file is no history.
    """
    if not sys.stdin.isatty() and isinstance(sys.stdin, io.TextIOWrapper):
        # a line that is not UTF-8 is refused by itself, and the next one is read
        sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")
    return _edited(history, words) if _can_edit() else _plain


@contextlib.contextmanager
def keys_held() -> Iterator[None]:
    """Hold back, unseen, what is typed between two prompts; the next prompt gets it.

    Otherwise the terminal would show it in the midst of an answer, and a Ctrl-D would be lost: a
    terminal that gathers lines itself keeps it as a mark, and passes on a zero byte.
    """
    try:
        import termios
    except ImportError:  # Windows passes keys on as they are
        yield
        return
    if not _can_edit():
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    modes = termios.tcgetattr(sys.stdin)
    modes[3] &= ~(termios.ICANON | termios.ECHO)  # the local modes; Ctrl-C remains a signal
    termios.tcsetattr(sys.stdin, termios.TCSANOW, modes)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSANOW, before)


def _can_edit() -> bool:
    return sys.stdin.isatty() and can_move(sys.stdout)


def _plain(prompt: str) -> str:
    if not sys.stdin.isatty():  # no person, no prompt
        return input().removeprefix("\ufeff").removesuffix("\r")
    print(prompt, end="", file=sys.stderr, flush=True)  # standard output has only answers
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

    entries: History = InMemoryHistory()
    if history is not None:
        _check(history)
        entries = FileHistory(str(history))
    session: PromptSession[str] = PromptSession(
        history=entries,
        key_bindings=keys,
        multiline=True,
        completer=WordCompleter(list(words), sentence=True),
        complete_while_typing=False,
        prompt_continuation=_continued,
    )
    return session.prompt


def _continued(width: int, number: int, wrapped: int) -> str:
    """Return what stands before a further line: dots, or spaces where a line is only wrapped."""
    return (" " if wrapped else ".") * (width - 1) + " "


def _check(history: Path) -> None:
    """Create the file, readable for its owner alone; refuse a file that is no history."""
    with os.fdopen(os.open(history, os.O_CREAT | os.O_RDONLY, 0o600), "rb") as stream:
        if stream.read(len(ENTRY)) not in (b"", ENTRY):
            raise ScaffoldError(
                "This file is not a history of typed texts.",
                where=history,
                fix="name a file that does not exist yet",
            )
    history.chmod(0o600)
