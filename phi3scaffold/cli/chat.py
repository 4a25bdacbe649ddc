"""`phi3scaffold chat`: chat with the model in the terminal."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phi3scaffold.cli.form_options import add_form_options, load, open_with_remark, settings_of
from phi3scaffold.cli.ui.line_input import Ask, asker, dim, keys_held
from phi3scaffold.cli.ui.terminal import printable
from phi3scaffold.project.errors import ScaffoldError, describe_os_error
from phi3scaffold.project.formatting import count, rate
from phi3scaffold.project.settings import Project, find_project

if TYPE_CHECKING:
    from phi3scaffold.inference.answer import Answer
    from phi3scaffold.inference.chat_session import ChatSession

HINT = "/help explains; Ctrl-C stops an answer, twice it leaves, as Ctrl-D does"
ONCE = "Ctrl-C again leaves, as Ctrl-D does; /help explains"
HISTORY = ".chat-history"  # .gitignore and .amlignore leave it out
COMMANDS = {
    "/help": "show this help",
    "/system": "TEXT: change the system message; `default`: the trained one; no text: show it",
    "/set": "NAME VALUE: change temperature, top_p, max_tokens, seed, stop, form or adapter, as "
    "the options do; `default`: reset it; no name: show all",
    "/reset": "forget the conversation",
    "/retry": "answer the last text again",
    "/save": "FILE.jsonl: append the conversation, as a row that `infer` and `data` read",
    "/quit": "leave (also /exit and Ctrl-D)",
}
KEYS = """Enter sends; Alt+Enter (or Esc, then Enter) begins another line; pasted lines
stay together; the arrow keys bring back earlier texts. To send a leading slash,
type //. When the context is full, the model no longer sees the oldest messages,
and a note says so."""
EPILOG = f"""examples:
  phi3scaffold chat
  phi3scaffold chat --temperature 0.8 --top-p 0.95 --max-tokens 200
  phi3scaffold chat --form onnx-adapter --adapter tone --system "One word."
  phi3scaffold chat --history     # remember what you type

{KEYS}
What you type is written nowhere, except by --history and /save. Without a
terminal each line of standard input is a text, and standard output has the
answers only.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = "phi3scaffold chat [options]"
    parser.epilog = EPILOG
    add_form_options(parser)
    parser.add_argument(
        "--history",
        nargs="?",
        type=Path,
        const=True,
        metavar="FILE",
        help=f"remember what you type, in this file or the project's {HISTORY}, readable for you "
        "alone (default: remember nothing)",
    )


def run(args: argparse.Namespace) -> int:
    """Chat until the user leaves."""
    from phi3scaffold.inference.chat_session import ChatSession

    project = find_project(args.project)
    history = project.root / HISTORY if args.history is True else args.history
    ask = asker(history, list(COMMANDS))
    with keys_held(), open_with_remark(args, project) as form:
        session = ChatSession(form, settings_of(args))
        chat = Chat(session, project, ask)
        if sys.stdin.isatty():
            memory = "" if session.remembers else "; the model sees one prompt at a time"
            print(f"{HINT}{memory}", file=sys.stderr)
        try:
            chat.run()
        finally:
            session.form.close()  # /set may have opened another
    return 0


class LeaveChat(Exception):
    """The user wants to leave."""


class Chat:
    """Reads texts and commands, and prints answers."""

    def __init__(self, session: ChatSession, project: Project, ask: Ask) -> None:
        self.session, self.project, self.ask = session, project, ask

    def run(self) -> None:
        """Chat until the user leaves. A bad text does not end the conversation."""
        interrupted = False
        while True:
            try:
                text = self._read()
                interrupted = False
                if text is not None:
                    self._answer(text)
            except LeaveChat:
                return
            except ScaffoldError as error:
                print(f"error: {error}", file=sys.stderr)
            except KeyboardInterrupt:
                if interrupted:
                    return
                interrupted = True
                print(f"({ONCE})", file=sys.stderr)

    def _read(self) -> str | None:
        """Return the user's next text, its columns joined; None after a command."""
        columns = self.session.form.prompt.columns
        is_chat = len(columns) == 1 and self.session.remembers
        texts: dict[str, str] = {}
        for name in columns:
            while not texts.get(name, "").strip():
                try:
                    text = self.ask(f"{'you' if is_chat else name}> ")
                except EOFError:
                    raise LeaveChat from None
                if text.startswith("/") and not text.startswith("//"):
                    self._run_command(*text.strip().partition(" ")[::2])
                    return None
                texts[name] = text[1:] if text.startswith("//") else text
        return self.session.form.prompt.spoken(texts)

    def _answer(self, text: str | None) -> None:
        """Stream an answer to a text, None for the last one again.

        Ctrl-C ends the answer; what there is of it stays in the conversation.
        """
        again = text is None
        text = self.session.last if text is None else text
        answer = self.session.ask(text, again=again)
        if self.session.dropped:
            print(
                "(the context is full: the model no longer sees the oldest "
                f"{self.session.dropped} messages; /reset starts over)",
                file=sys.stderr,
            )
        before = signal.signal(signal.SIGINT, lambda *_: answer.stop())
        try:
            for piece in answer:
                print(printable(piece), end="", flush=True)
        finally:
            signal.signal(signal.SIGINT, before)
        print(" (stopped)" if answer.finish == "stopped" else "", flush=True)
        self.session.add(text, answer.text, again=again)
        if sys.stderr.isatty():
            print(dim(_counts(answer), sys.stderr), file=sys.stderr)

    def _run_command(self, command: str, rest: str) -> None:
        rest = rest.strip()
        if command in ("/quit", "/exit"):
            raise LeaveChat
        if command == "/help":
            print(_help(), file=sys.stderr)
        elif command == "/reset":
            self.session.reset()
            print("The conversation is forgotten.", file=sys.stderr)
        elif command == "/retry":
            self._answer(None)
        elif command == "/save":
            if not rest:
                raise ScaffoldError("/save needs a file.", fix="/save chats.jsonl")
            try:
                rows = self.session.save(Path(rest).expanduser())
            except OSError as error:
                raise describe_os_error(error) from None
            print(f"{count(rows, 'row')} added to {rest}", file=sys.stderr)
        elif command == "/system":
            self._system(rest)
        elif command == "/set":
            name, _, value = rest.partition(" ")
            self._set(name, value.strip())
        else:
            raise ScaffoldError(
                f"There is no command {command}.",
                fix="/help shows the commands; to send a leading slash, type //",
            )

    def _system(self, text: str) -> None:
        if text:
            system = None if text == "default" else text
            self.session.settings = replace(self.session.settings, system=system)
        now = self.session.settings.system
        trained = self.session.form.prompt.fixed_system
        message = f"{trained or 'none'} (as trained)" if now is None else now
        print(f"system: {message}", file=sys.stderr)

    def _set(self, name: str, value: str) -> None:
        """Change a setting if there is a value; then show it, or all if there is no name."""
        if name and name not in self._settings():
            raise ScaffoldError(
                f"There is no setting {name!r:.40}.", fix=f"one of: {', '.join(self._settings())}"
            )
        if value and name in ("form", "adapter"):
            self._open(name, value)
        elif value:
            self.session.settings = self.session.settings.changed(name, value)
        for key, setting in self._settings().items():
            if name in ("", key):
                print(f"  {key:<12} {setting}", file=sys.stderr)

    def _settings(self) -> dict[str, str]:
        form = self.session.form
        settings = self.session.settings.described(form.prompt)
        return {**settings, "form": form.name, "adapter": form.adapter or "none"}

    def _open(self, name: str, value: str) -> None:
        """Open another form or adapter; on failure the present one stays."""
        before = self.session.form
        if name == "adapter":
            use: Any = getattr(before, "use", None)
            if use is None:
                raise ScaffoldError(
                    f"The form {before.name} has no adapters that can be swapped.",
                    fix=f"/set form onnx-adapter, then: /set adapter {value}",
                )
            use(value)  # over the base that is loaded
            return
        self.session.form = load(value, None, self.project)
        before.close()


def _help() -> str:
    """Return what the commands and keys do, in the width of the terminal."""
    width = shutil.get_terminal_size().columns
    lines = [
        textwrap.fill(text, width, initial_indent=f"  {name:<8} ", subsequent_indent=" " * 11)
        for name, text in COMMANDS.items()
    ]
    return "\n".join([*lines, textwrap.fill(KEYS, width)])


def _counts(answer: Answer) -> str:
    """Return the numbers of tokens of an answer, and its speed."""
    text = f"{answer.prompt_tokens} prompt + {answer.tokens} output tokens"
    if answer.speed:
        text += f", {rate(answer.speed)} tokens/s"
    if answer.finish == "length":
        text += "; cut at its limit: /set max_tokens N"
    return f"({text})"
