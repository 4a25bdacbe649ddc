"""What a person types: edited and remembered in a terminal, plain lines elsewhere."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

Ask = Callable[[str], str]
PLAIN = ("", "dumb")  # terminals that cannot move their cursor


def asker(history: Path | None, words: Sequence[str]) -> Ask:
    """A function that shows a prompt and returns what was typed.

    It raises EOFError at the end of the input and KeyboardInterrupt at Ctrl-C. In a terminal, Enter
    sends, Alt+Enter begins another line, pasted lines stay together, and the arrows bring back what
    was typed before.

    Args:
        history: a file that keeps what was typed, for the next time; None: nothing is written.
        words: what TAB completes at the beginning.
    """
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if not sys.stdin.isatty() and isinstance(sys.stdin, io.TextIOWrapper):
        # what is no UTF-8 is refused with its line, and the next one is read
        sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")
    if not terminal or (os.name == "posix" and os.environ.get("TERM", "") in PLAIN):
        return _plain
    return _edited(history, words)


def _plain(prompt: str) -> str:
    if sys.stdin.isatty():
        return input(prompt)
    line = input()  # nobody sees a prompt, and an answer is not to stand behind one
    return line.removeprefix("\ufeff").removesuffix("\r")


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
        os.close(os.open(history, os.O_CREAT | os.O_APPEND, 0o600))  # nobody else's to read
        kept = FileHistory(str(history))
    session: PromptSession[str] = PromptSession(
        history=kept,
        key_bindings=keys,
        multiline=True,
        completer=WordCompleter(list(words), sentence=True),
        complete_while_typing=False,
        prompt_continuation=lambda width, number, wrapped: "." * (width - 1) + " ",
    )
    return session.prompt
