"""`phi3scaffold chat`: a conversation in the terminal."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator

from phi3scaffold.cli.infer import add_form_arguments, open_with_remark
from phi3scaffold.errors import ScaffoldError
from phi3scaffold.runtime.forms.form import Form

HELP = "/exit or Ctrl-D leaves, Ctrl-C stops an answer, /reset begins anew"
Turn = dict[str, str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = f"examples:\n  phi3scaffold chat\n  phi3scaffold chat --form adapter\n\n{HELP}"
    add_form_arguments(parser)


def run(args: argparse.Namespace) -> int:
    from phi3scaffold.project import find_project

    if sys.stdin.isatty():
        with contextlib.suppress(ImportError):  # Windows
            import readline  # noqa: F401 - importing it gives input() its editing and history
    with open_with_remark(args, find_project()) as form:
        limit = args.max_new_tokens or form.prompt.max_new_tokens
        remembers = form.prompt.task == "chat"
        print(HELP if remembers else f"{HELP}; each prompt stands alone", file=sys.stderr)
        history: list[Turn] = []
        for values in _asked(form.prompt.columns, remembers):
            if values is None:
                history = []
                continue
            try:
                answer = _answer(form, values, history, limit)
            except ScaffoldError as error:  # one bad text does not end the conversation
                print(f"error: {error}", file=sys.stderr)
                continue
            if remembers and answer:
                user = form.prompt.messages(values)[-1]
                history += [user, {"role": "assistant", "content": answer}]
    return 0


def _asked(columns: tuple[str, ...], remembers: bool) -> Iterator[dict[str, str] | None]:
    """The texts of each prompt; None for /reset. Ends at /exit and at the end of the input."""
    names = ["you"] if remembers and len(columns) == 1 else list(columns)
    while True:
        texts: list[str] = []
        while len(texts) < len(columns):
            try:
                text = input(f"{names[len(texts)]}> ")
            except EOFError:
                print()
                return
            except KeyboardInterrupt:
                print(f"\n({HELP})", file=sys.stderr)
                texts = []
                continue
            if text.strip() == "/exit":
                return
            if text.strip() == "/reset":
                break
            if text.strip():
                texts.append(text)
        else:
            yield dict(zip(columns, texts, strict=True))
            continue
        yield None


def _answer(form: Form, values: dict[str, str], history: list[Turn], limit: int) -> str:
    """Stream one answer to the terminal; Ctrl-C ends it there. Returns what was said."""
    said: list[str] = []
    words = form.stream(_within_context(form, values, history, limit), limit)
    try:
        for piece in words:
            said.append(piece)
            print(piece, end="", flush=True)
    except KeyboardInterrupt:
        print(" (stopped)", end="", flush=True)
    finally:
        close = getattr(words, "close", None)
        if close:
            close()  # ends the generation that stands behind it
    print(flush=True)
    return "".join(said)


def _within_context(
    form: Form, values: dict[str, str], history: list[Turn], limit: int
) -> list[Turn]:
    """The messages to send; the oldest exchanges are forgotten where they no longer fit."""
    while True:
        messages = form.prompt.messages(values, history)
        if not history or len(form.encode(messages)) + limit <= form.context:
            return messages
        del history[:2]
