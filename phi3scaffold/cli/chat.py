"""`phi3scaffold chat`: a conversation in the terminal."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import signal
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phi3scaffold.cli.form_options import (
    add_arguments as add_asking_arguments,
)
from phi3scaffold.cli.form_options import load, open_with_remark, project_of, settings_of
from phi3scaffold.cli.ui.line_input import Ask, asker, dim, keys_held
from phi3scaffold.cli.ui.terminal import shown
from phi3scaffold.project.errors import ScaffoldError, describe_os_error

if TYPE_CHECKING:
    from phi3scaffold.inference.answer import Answer
    from phi3scaffold.inference.chat_session import ChatSession
    from phi3scaffold.project.settings import Project

HINT = "/help explains; Ctrl-C stops an answer, Ctrl-D leaves"
HISTORY = ".chat-history"  # which .gitignore and .amlignore leave out
COMMANDS = {
    "/help": "this",
    "/system": "TEXT: another system turn; default: the trained one; alone: which one it is",
    "/set": "NAME VALUE: temperature, top_p, max_tokens, seed, stop, form or adapter, as the "
    "options say; default takes it back; alone: what is set",
    "/reset": "forget what was said",
    "/retry": "another answer to the last text",
    "/save": "FILE.jsonl: append what was said, as a row that `infer` and `data` read",
    "/quit": "leave (or /exit, Ctrl-D)",
}
KEYS = """Enter sends; Alt+Enter (or Esc, then Enter) begins another line; pasted lines
stay together; the arrows bring back what was typed. A text that begins with a
slash is written with two. When the context is full, the oldest exchanges are no
longer shown to the model, and it is said."""
EPILOG = f"""examples:
  phi3scaffold chat
  phi3scaffold chat --temperature 0.8 --top-p 0.95 --max-tokens 200
  phi3scaffold chat --form onnx-adapter --adapter tone --system "One word."
  phi3scaffold chat --history     # what you type comes back the next time

{KEYS}
What you type stays in memory, unless --history or /save says otherwise. Without
a terminal each line of standard input is a text, and nothing but answers is on
standard output.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = "phi3scaffold chat [options]"
    parser.epilog = EPILOG
    add_asking_arguments(parser)
    parser.add_argument(
        "--history",
        nargs="?",
        type=Path,
        const=True,
        metavar="FILE",
        help="keep what you type for the next time, readable for you alone, in this file or the "
        f"project's {HISTORY} (default: nowhere)",
    )


def run(args: argparse.Namespace) -> int:
    from phi3scaffold.inference.chat_session import ChatSession

    project = project_of(args)
    history = project.root / HISTORY if args.history is True else args.history
    ask = asker(history, list(COMMANDS))
    with keys_held(), open_with_remark(args, project) as form:
        talk = ChatSession(form, settings_of(args))
        chat = Chat(talk, project, ask)
        if sys.stdin.isatty():
            alone = "" if talk.remembers else "; each prompt stands alone"
            print(f"{HINT}{alone}", file=sys.stderr)
        try:
            chat.run()
        finally:
            talk.form.close()  # /set may have opened another
    return 0


class Left(Exception):
    """The user wants to leave."""


class Chat:
    """Reads what is typed, prints answers, obeys commands."""

    def __init__(self, talk: ChatSession, project: Project, ask: Ask) -> None:
        self.talk, self.project, self.ask = talk, project, ask

    def run(self) -> None:
        """Until the user leaves. One bad text does not end the conversation."""
        while True:
            try:
                said = self._said()
                if said is not None:
                    self._answer(said)
            except Left:
                return
            except ScaffoldError as error:
                print(f"error: {error}", file=sys.stderr)
            except KeyboardInterrupt:
                print(f"({HINT})", file=sys.stderr)

    def _said(self) -> str | None:
        """The user's next text, its columns put together; None where there was a command."""
        columns = self.talk.form.prompt.columns
        one = len(columns) == 1 and self.talk.remembers
        texts: dict[str, str] = {}
        for name in columns:
            while not texts.get(name, "").strip():
                try:
                    text = self.ask(f"{'you' if one else name}> ")
                except EOFError:
                    raise Left from None
                if text.startswith("/") and not text.startswith("//"):
                    self._obey(*text.strip().partition(" ")[::2])
                    return None
                texts[name] = text[1:] if text.startswith("//") else text
        return self.talk.form.prompt.spoken(texts)

    def _answer(self, said: str | None) -> None:
        """Stream one answer to the terminal; Ctrl-C ends it there, and keeps what was said.

        None: to the last text, again.
        """
        again = said is None
        said = self.talk.last if said is None else said
        answer = self.talk.ask(said, again=again)
        if self.talk.dropped:
            print(
                f"(the context is full: the oldest {self.talk.dropped} messages are not shown "
                "to the model; /reset begins anew)",
                file=sys.stderr,
            )
        with _ctrl_c_stops(answer):
            for piece in answer:
                print(shown(piece), end="", flush=True)
        print(" (stopped)" if answer.finish == "stopped" else "", flush=True)
        self.talk.add(said, answer.text, again=again)
        if sys.stderr.isatty():
            print(dim(_told(answer), sys.stderr), file=sys.stderr)

    def _obey(self, command: str, rest: str) -> None:
        rest = rest.strip()
        if command in ("/quit", "/exit"):
            raise Left
        if command == "/help":
            print(_help(), file=sys.stderr)
        elif command == "/reset":
            self.talk.reset()
            print("what was said is forgotten", file=sys.stderr)
        elif command == "/retry":
            self._answer(None)
        elif command == "/save":
            if not rest:
                raise ScaffoldError("/save needs a file.", fix="/save talks.jsonl")
            try:
                rows = self.talk.save(Path(rest).expanduser())
            except OSError as error:
                raise describe_os_error(error) from None
            print(f"{rows} row{'s' if rows > 1 else ''} added to {rest}", file=sys.stderr)
        elif command == "/system":
            self._system(rest)
        elif command == "/set":
            name, _, value = rest.partition(" ")
            self._set(name, value.strip())
        else:
            raise ScaffoldError(
                f"There is no {command}.",
                fix="/help shows the commands; a text that begins with / is written with //",
            )

    def _system(self, text: str) -> None:
        from dataclasses import replace

        if text:
            system = None if text == "default" else text
            self.talk.settings = replace(self.talk.settings, system=system)
        now = self.talk.settings.system
        trained = self.talk.form.prompt.system
        told = f"trained: {trained or 'none'}" if now is None else now
        print(f"system: {told}", file=sys.stderr)

    def _set(self, name: str, value: str) -> None:
        """Change a setting, where there is a value; then say what it is, without a name all."""
        if name and name not in self._told():
            raise ScaffoldError(
                f"There is no setting {name!r:.40}.", fix=f"one of: {', '.join(self._told())}"
            )
        if value and name in ("form", "adapter"):
            self._open(name, value)
        elif value:
            self.talk.settings = self.talk.settings.changed(name, value)
        for key, told in self._told().items():
            if name in ("", key):
                print(f"  {key:<12} {told}", file=sys.stderr)

    def _told(self) -> dict[str, str]:
        """Setting -> what it is, in words."""
        form = self.talk.form
        told = self.talk.settings.described(form.prompt)
        return {**told, "form": form.name, "adapter": form.adapter or "none"}

    def _open(self, name: str, value: str) -> None:
        """Another form or adapter; where that fails, the one before goes on."""
        before = self.talk.form
        if name == "adapter":
            use: Any = getattr(before, "use", None)
            if use is None:
                raise ScaffoldError(
                    f"The form {before.name} has no adapters that can be swapped.",
                    fix=f"/set form onnx-adapter, then: /set adapter {value}",
                )
            use(value)  # over the base that is loaded
            return
        opened = load(value, None, self.project)
        before.close()
        self.talk.form = opened


@contextlib.contextmanager
def _ctrl_c_stops(answer: Answer) -> Iterator[None]:
    """Meanwhile Ctrl-C ends the answer between two tokens, wherever it comes."""
    before = signal.signal(signal.SIGINT, lambda *_: answer.stop())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _help() -> str:
    """What the commands and keys do, for the width of the terminal."""
    width = shutil.get_terminal_size().columns
    lines = [
        textwrap.fill(what, width, initial_indent=f"  {name:<8} ", subsequent_indent=" " * 11)
        for name, what in COMMANDS.items()
    ]
    return "\n".join([*lines, textwrap.fill(KEYS, width)])


def _told(answer: Answer) -> str:
    told = f"({answer.prompt_tokens} tokens read"
    if answer.tokens:
        told += f", {answer.tokens} written"
    if answer.speed:
        told += f", {answer.speed:.0f} tokens/s"
    if answer.finish == "length":
        told += "; cut at its limit: /set max_tokens N"
    return told + ")"
