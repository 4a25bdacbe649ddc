"""`phi3scaffold infer`: one prompt, one answer, word by word."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import select
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

from phi3scaffold.errors import ScaffoldError
from phi3scaffold.runtime.forms import FORMS, open_form

if TYPE_CHECKING:
    from phi3scaffold.project import Project
    from phi3scaffold.runtime.forms.form import Form

Messages = list[dict[str, str]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = 'example: phi3scaffold infer "I could not stop smiling all day."'
    parser.add_argument(
        "text",
        nargs="?",
        help="the text to answer; from standard input where it is left out, and the first "
        "held-out row where there is none",
    )
    add_form_arguments(parser)
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="COLUMN=TEXT",
        dest="columns",
        help="the text of one column, where the prompt has several; repeat it for each",
    )
    parser.add_argument(
        "--example",
        action="store_true",
        help="answer the first held-out row; do not read standard input",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object, when it is done")


def add_form_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that infer and chat share."""
    parser.add_argument(
        "--form",
        choices=FORMS,
        default="onnx",
        help="which form of the model answers (default: onnx, the one that ships)",
    )
    parser.add_argument(
        "--adapter",
        metavar="NAME",
        help="which adapter of project.yaml answers, with --form onnx-adapter (default: the first)",
    )
    parser.add_argument(
        "--max-new-tokens",
        type=at_least_one,
        metavar="N",
        help="the longest answer, in tokens (default: as the model's prompt.json says)",
    )


def run(args: argparse.Namespace) -> int:
    from phi3scaffold.project import find_project

    if args.text is not None and args.columns:
        raise ScaffoldError("Give either a text or --set, not both.")
    if args.example and (args.text is not None or args.columns):
        raise ScaffoldError("--example brings its own text.", fix="leave out the text, or it")
    project = find_project()
    columns = _columns(args.columns)
    text = args.text
    if text is None and not columns and not args.example:
        text = _standard_input()
    row = None if columns or text is not None else _held_out_row(project)
    with open_with_remark(args, project) as form:
        expected = None
        if row is not None:
            messages, expected = row
            print(f"a held-out row:\n{_indented(messages[-1]['content'])}", file=sys.stderr)
        else:
            messages = form.prompt.messages(columns or text or "")
        limit = args.max_new_tokens or form.prompt.max_new_tokens
        if args.json:
            print(json.dumps(_object(form, messages, expected, limit), ensure_ascii=False))
            return 0
        for piece in form.stream(messages, limit):
            print(piece, end="", flush=True)
        print(flush=True)
        if expected is not None:
            print(f"expected: {expected}", file=sys.stderr)
    return 0


@contextlib.contextmanager
def open_with_remark(args: argparse.Namespace, project: Project) -> Iterator[Form]:
    """The form; on stderr, that it is being loaded (in a terminal) and what kind of model it is."""
    if args.adapter and args.form != "onnx-adapter":
        raise ScaffoldError(
            f"--adapter is for the form whose adapters can be swapped, not for {args.form}.",
            fix=f"--form onnx-adapter --adapter {args.adapter}",
        )
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # an answer may hold a character that this terminal's encoding lacks
            stream.reconfigure(errors="replace")
    terminal = sys.stderr.isatty()
    if terminal:
        print(f"loading the {args.form} form ...", end="", file=sys.stderr, flush=True)
    try:
        form = open_form(args.form, project, adapter=args.adapter)
    finally:
        if terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    with form:
        if form.prompt.demonstration:
            print(
                f"demonstration model ({form.prompt.model or 'tiny'}): it shows that the pipeline "
                "works; do not rely on its answers",
                file=sys.stderr,
            )
        yield form


def _object(form: Form, messages: Messages, expected: str | None, limit: int) -> dict[str, object]:
    ids = form.encode(messages)
    start = time.perf_counter()
    new = form.generate([ids], limit)[0]
    seconds = time.perf_counter() - start
    found: dict[str, object] = {
        "form": form.name,
        **({"adapter": form.adapter} if form.adapter else {}),
        "model": form.prompt.model,
        "demonstration": form.prompt.demonstration,
        "messages": messages,
        "answer": form.decode(new),
        "prompt_tokens": len(ids),
        "answer_tokens": len(new),
        "finish": "stop" if len(new) < form.room([ids], limit) else "length",
        "seconds": round(seconds, 3),
    }
    return found if expected is None else {**found, "expected": expected}


def _columns(given: list[str]) -> dict[str, str]:
    columns: dict[str, str] = {}
    for item in given:
        name, equals, text = item.partition("=")
        if not equals or not name:
            raise ScaffoldError(f"--set takes COLUMN=TEXT, not {item!r}.")
        if name in columns:
            raise ScaffoldError(f"--set names the column {name!r} twice.")
        columns[name] = text
    return columns


def _standard_input(stream: TextIO | None = None) -> str | None:
    """The text on standard input without its last line break; None for a terminal or nothing."""
    stream = stream or sys.stdin
    if stream is None or stream.closed or stream.isatty():
        return None
    with contextlib.suppress(OSError, ValueError, TypeError):  # Windows, and streams of no file
        if not select.select([stream], [], [], 2)[0]:
            print("reading the text from standard input ...", file=sys.stderr)
    try:
        text = stream.read()
    except UnicodeDecodeError:
        raise ScaffoldError("The text on standard input is not valid UTF-8.") from None
    text = text.removesuffix("\n").removesuffix("\r")
    return text if text.strip() else None


def _held_out_row(project: Project) -> tuple[Messages, str]:
    """The first held-out row: its turns up to the last answer, and that answer."""
    from phi3scaffold.runtime.data.prepared import HELD_OUT, Prepared, file_of
    from phi3scaffold.runtime.stages import data

    path = data.folder(project) / file_of(HELD_OUT)
    if not path.is_file():
        raise ScaffoldError(
            "There is no text to answer, and no held-out row to take instead.",
            where=path,
            fix='give a text: phi3scaffold infer "..."; or run: phi3scaffold data',
        )
    try:
        *messages, answer = Prepared(path.parent, HELD_OUT).conversation(0).messages
    except (ScaffoldError, IndexError, ValueError):
        raise ScaffoldError(
            "The held-out rows cannot be read.", where=path, fix="run: phi3scaffold data"
        ) from None
    return messages, answer["content"]


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def at_least_one(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"a whole number of at least 1, not {text!r}")
    return number
