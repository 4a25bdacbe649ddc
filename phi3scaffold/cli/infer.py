"""`phi3scaffold infer`: one prompt answered word by word, or thousands in batches."""

from __future__ import annotations

import argparse
import contextlib
import io
import select
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, TextIO

from phi3scaffold.cli.form_options import (
    add_arguments as add_asking_arguments,
)
from phi3scaffold.cli.form_options import open_with_remark, project_of, settings_of
from phi3scaffold.cli.ui.terminal import shown
from phi3scaffold.project.errors import FAILED_RUN, INTERRUPTED, ScaffoldError

if TYPE_CHECKING:
    from phi3scaffold.datasets.conversations import Conversation
    from phi3scaffold.inference.forms.form import Form
    from phi3scaffold.inference.prompt_source import PromptSource
    from phi3scaffold.inference.resumable_output import ResumableOutput
    from phi3scaffold.models.templates import Message
    from phi3scaffold.project.settings import Project

TOLD = 20  # bad prompts that are named one by one
EPILOG = """examples:
  phi3scaffold infer "I could not stop smiling all day."
  phi3scaffold infer "One text." "Another." --json
  phi3scaffold infer --input phrases.txt --output answers.jsonl
  phi3scaffold infer --temperature 0.8 --seed 1 --max-tokens 40 "..."
  cut -f 2 mails.tsv | phi3scaffold infer --input - --json | jq -r .answer

Several prompts are answered in their order. Text output has a line for each:
line breaks within an answer become spaces, and a prompt that cannot be answered
(too long, a control token, a broken row) leaves an empty line; --json says why.
The others get their answers, and the exit code is 1. --output appears when it is
whole; a run that was ended goes on where it stopped.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from phi3scaffold.datasets.formats.registry import endings_text

    parser.usage = "phi3scaffold infer [TEXT ...] [options]"
    parser.epilog = EPILOG
    parser.add_argument(
        "text",
        nargs="*",
        metavar="TEXT",
        help="what to answer; else standard input, as one text; else the first held-out row",
    )
    parser.add_argument(
        "--input",
        metavar="FILE",
        help=f".txt: a prompt a line; rows with the project's columns, or with messages: "
        f"{endings_text()}; -: standard input",
    )
    parser.add_argument(
        "--input-kind",
        choices=("txt", "jsonl"),
        default="txt",
        help="what --input - holds (default: %(default)s)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="where answers go: JSON lines if it ends in .jsonl or with --json, else text",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace that file, or what other settings left of it",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="COLUMN=TEXT",
        dest="columns",
        help="the text of one column of several; repeatable",
    )
    parser.add_argument(
        "--example",
        action="store_true",
        help="answer the first held-out row",
    )
    add_asking_arguments(parser)


def run(args: argparse.Namespace) -> int:
    columns = _columns(args)
    if args.text == ["-"]:
        raise ScaffoldError(
            "- is no text.",
            fix="standard input is read where there is no text, as one; --input - reads a prompt "
            "a line",
        )
    project = project_of(args)
    if args.input is not None or len(args.text) > 1 or (args.output and args.text):
        return _many(args, project)
    if args.output:
        raise ScaffoldError(
            "--output is for texts that are given as arguments, or by --input.",
            fix="--input - reads standard input, a prompt a line",
        )
    from phi3scaffold.inference.answer import Answer
    from phi3scaffold.inference.answer_record import AnswerRecord

    text = args.text[0] if args.text else None
    if text is None and not columns and not args.example:
        text = _standard_input()
    row = None if columns or text is not None else _held_out_row(project)
    expected = row.answer if row else None
    with open_with_remark(args, project) as form:
        if row:
            told = _indented(row.messages[-2]["content"])
            print(f"a held-out row:\n{told}", file=sys.stderr)
            columns = row.values
        if row and not row.values:  # a conversation, as it stands
            turns = row.messages[:-1]
        else:
            said = form.prompt.spoken(columns) if columns else text or ""
            turns = [{"role": "user", "content": said}]
        answer = Answer(form, turns, settings_of(args))
        try:
            for piece in answer:
                if not args.json:
                    print(shown(piece), end="", flush=True)
        except KeyboardInterrupt:
            if answer.text and not args.json:
                print(flush=True)
            raise
        if not args.json:
            print(flush=True)
            if expected is not None:
                print(f"expected: {expected}", file=sys.stderr)
            return 0
        messages = form.prompt.conversation(answer.request.turns)
        counts = answer.prompt_tokens, answer.tokens
        record = AnswerRecord(seconds=round(answer.seconds, 3), expected=expected)
        print(record.answered(form, messages, answer.text, *counts, answer.finish).as_json())
    return 0


def _many(args: argparse.Namespace, project: Project) -> int:
    """Any number of prompts, in their order."""
    from phi3scaffold.inference.resumable_output import ResumableOutput, check_place, is_json_lines

    text = not (args.json or (args.output and is_json_lines(args.output)))
    source = Path(args.input) if args.input not in (None, "-") else None
    if args.output:
        check_place(args.output, source, text=text, overwrite=args.overwrite)
    prompts = _prompts(args, project, source)
    with open_with_remark(args, project) as form:
        if not args.output:
            return _answer_all(args, form, prompts, None, text=text)
        with ResumableOutput(
            args.output, form, settings_of(args), overwrite=args.overwrite
        ) as kept:
            if kept.before:
                told = "answers are there from an earlier run; none is made twice"
                print(f"{kept.before} {told}", file=sys.stderr)
            return _answer_all(args, form, prompts, kept, text=text)


def _prompts(args: argparse.Namespace, project: Project, source: Path | None) -> PromptSource:
    from phi3scaffold.inference import prompt_source as prompts

    if args.input is None:
        return prompts.of_texts(args.text)
    if source is not None:
        return prompts.of_file(source, project)
    stream: IO[bytes] = getattr(sys.stdin, "buffer", None) or io.BytesIO(sys.stdin.read().encode())
    return prompts.of_stream(stream, args.input_kind, project)


def _answer_all(
    args: argparse.Namespace,
    form: Form,
    prompts: PromptSource,
    kept: ResumableOutput | None,
    *,
    text: bool,
) -> int:
    from phi3scaffold.cli.ui import progress
    from phi3scaffold.inference.answer_record import AnswerRecord
    from phi3scaffold.inference.batch import answer_all

    began, count, bad = time.monotonic(), 0, 0
    seen = sys.stdout.isatty() and not kept  # the answers themselves show how far it is
    with progress.show(quiet=seen) as display:
        display.start("answering")
        done = 0

        def tick() -> None:
            nonlocal done
            done += 1
            display.update(done, prompts.total, progress.count_text(done, prompts.total))

        def found(record: AnswerRecord) -> None:
            if kept:
                kept.add(record)
            tick()

        def known(number: int, messages: list[Message]) -> AnswerRecord | None:
            old = kept.known(number, messages) if kept else None
            if old:
                tick()
            return old

        try:
            entries = prompts.entries(form.prompt)
            for record in answer_all(form, entries, settings_of(args), known, found):
                count += 1
                if record.error:
                    bad += 1
                    if bad <= TOLD:
                        display.say(f"error: {record.where}: {record.error['what']}")
                if not kept:
                    line = record.as_text() if text else record.as_json()
                    sys.stdout.write(shown(line) + "\n")
                    sys.stdout.flush()
        except KeyboardInterrupt:
            display.say(_interrupted(count, kept))
            return INTERRUPTED
        if kept and count:
            kept.finish(count, text=text)
    if not count:
        if kept:
            kept.partial.unlink(missing_ok=True)
        raise ScaffoldError("There are no prompts on standard input.", fix="write one a line")
    told = f"{count - bad} of {count} prompts answered in {time.monotonic() - began:.1f} s"
    if bad > TOLD:
        told += f"; {bad - TOLD} more errors" + (f" in {kept.file}" if kept and not text else "")
    print(f"{told}{f': {kept.file}' if kept else ''}", file=sys.stderr)
    return FAILED_RUN if bad else 0


def _interrupted(count: int, kept: ResumableOutput | None) -> str:
    if kept:
        return (
            f"interrupted; what was answered lies in {kept.partial.name}: the same command goes "
            "on from there"
        )
    return f"interrupted after {count} answers; with --output FILE the next run would go on there"


def _columns(args: argparse.Namespace) -> dict[str, str]:
    """What --set gives; refuses options that contradict each other."""
    if args.text and args.columns:
        raise ScaffoldError("Give either a text or --set, not both.")
    if args.example and (args.text or args.columns):
        raise ScaffoldError("--example brings its own text.", fix="leave out the text, or it")
    if args.input is not None and (args.text or args.columns or args.example):
        raise ScaffoldError("--input brings the texts.", fix="leave out the others, or it")
    columns: dict[str, str] = {}
    for item in args.columns:
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


def _held_out_row(project: Project) -> Conversation:
    from phi3scaffold.datasets.prepared_rows import HELD_OUT, Prepared, file_of

    path = project.rows / file_of(HELD_OUT)
    if not path.is_file():
        raise ScaffoldError(
            "There is no text to answer, and no held-out row to take instead.",
            where=path,
            fix='give a text: phi3scaffold infer "..."; or run: phi3scaffold data',
        )
    try:
        return Prepared(path.parent, HELD_OUT).conversation(0)
    except (ScaffoldError, IndexError, ValueError):
        raise ScaffoldError(
            "The held-out rows cannot be read.", where=path, fix="run: phi3scaffold data"
        ) from None


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
