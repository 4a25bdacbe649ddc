"""`phi3scaffold infer`: answer one prompt, token by token, or thousands in batches."""

from __future__ import annotations

import argparse
import contextlib
import io
import select
import sys
import textwrap
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

from phi3scaffold.cli.form_options import add_form_options, open_with_remark, settings_of
from phi3scaffold.cli.label_options import in_words, probability, settings_with_threshold
from phi3scaffold.cli.option_types import typed_as
from phi3scaffold.cli.ui.terminal import printable
from phi3scaffold.project.errors import FAILED_RUN, INTERRUPTED, ScaffoldError
from phi3scaffold.project.formatting import count, duration
from phi3scaffold.project.settings import Project, find_project

if TYPE_CHECKING:
    from phi3scaffold.datasets.conversations import Conversation
    from phi3scaffold.inference.answer_record import AnswerRecord
    from phi3scaffold.inference.answer_settings import AnswerSettings
    from phi3scaffold.inference.forms.form import Form
    from phi3scaffold.inference.prompt_source import PromptSource
    from phi3scaffold.inference.resumable_output import ResumableOutput
    from phi3scaffold.models.column_templates import Message

ERRORS_SHOWN = 20  # bad prompts that are named one by one
EPILOG = """examples:
  phi3scaffold infer "I could not stop smiling all day."
  phi3scaffold infer "One text." "Another." --json
  phi3scaffold infer --input tickets.csv --output answered.csv
  phi3scaffold infer --input phrases.txt --output answers.jsonl
  phi3scaffold infer --temperature 0.8 --seed 1 --max-tokens 40 "..."
  cut -f 2 mails.tsv | phi3scaffold infer --input - --json | jq -r .answer

Several prompts are answered in their order. Text output has one line for each
prompt: line breaks within an answer become spaces, and a prompt that cannot be
answered (too long, a control token, a broken row) gives an empty line; --json
says why. The other prompts are answered all the same, and the exit code is 1.
answered.csv above has the rows, columns, encoding and delimiter of tickets.csv,
and the column answer; for labels its calibrated probability and the runner-up,
too. So have .tsv, .jsonl, .parquet and .xlsx. In .csv and .tsv an answer that a
spreadsheet would run as a formula (=, +, -, @) gets an apostrophe in front.
The --output file appears when it is complete. Rerun to resume an interrupted run.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from phi3scaffold.datasets.formats.registry import endings_text

    parser.usage = "phi3scaffold infer [TEXT ...] [options]"
    parser.epilog = EPILOG
    parser.add_argument(
        "text",
        nargs="*",
        metavar="TEXT",
        help="the prompt (default: standard input as one text, or the first held-out row)",
    )
    parser.add_argument(
        "--input",
        metavar="FILE",
        help=".txt: one prompt a line; rows with the project's columns, or with messages: "
        f"{endings_text()}; -: standard input",
    )
    parser.add_argument(
        "--input-kind",
        choices=("txt", "jsonl"),
        default="txt",
        help="the format of --input - (default: %(default)s)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="write the answers to this file: with the ending of --input its rows, with their "
        "answers in more columns; with --json, or .jsonl, JSON lines; else text",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace the --output file, or an incomplete one of other settings",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="COLUMN=TEXT",
        dest="columns",
        help="the text of one column, if there are several (repeatable)",
    )
    parser.add_argument(
        "--abstain-below",
        type=typed_as(probability),
        metavar="P",
        help="leave the answer out where its label's probability is lower; auto: the value that "
        "the evaluation proposes",
    )
    parser.add_argument("--example", action="store_true", help="answer the first held-out row")
    add_form_options(parser)


def run(args: argparse.Namespace) -> int:
    columns = _columns(args)
    if args.text == ["-"]:
        raise ScaffoldError(
            "- is not a prompt.",
            fix="leave it out to read standard input as one prompt; --input - reads one a line",
        )
    project = find_project(args.project)
    many = args.input is not None or len(args.text) > 1
    if many or (args.text and (args.output or args.abstain_below is not None)):
        return _answer_batch(args, project)
    if args.output:
        raise ScaffoldError(
            "--output needs prompts as arguments, or --input.",
            fix="--input - reads standard input, one prompt a line",
        )
    from phi3scaffold.datasets.conversations import turn_text
    from phi3scaffold.inference.answer import Answer
    from phi3scaffold.inference.answer_record import AnswerRecord

    text = args.text[0] if args.text else None
    if text is None and not columns and not args.example:
        text = _standard_input()
    row = None if columns or text is not None else _held_out_row(project)
    expected = row.answer if row else None
    with open_with_remark(args, project) as form:
        if row:
            print("a held-out row:", file=sys.stderr)
            print(textwrap.indent(turn_text(row.messages[-2]), "  "), file=sys.stderr)
            turns, tools = row.messages[:-1], row.tools
        else:
            content = form.prompt.spoken(columns) if columns else text or ""
            turns, tools = [{"role": "user", "content": content}], ()
        answer = Answer(form, turns, settings_of(args), exact=row is not None, tools=tools)
        try:
            for piece in answer:
                if not args.json:
                    print(printable(piece), end="", flush=True)
        except KeyboardInterrupt:
            if answer.text and not args.json:
                print(flush=True)
            raise
        labels = answer.labels()
        if not args.json:
            print(flush=True)
            if labels:
                print(in_words(AnswerRecord(answer=answer.text).ranked(labels)), file=sys.stderr)
            if expected is not None:
                print(f"expected: {expected}", file=sys.stderr)
            return 0
        messages = answer.request.messages(form.prompt)
        counts = answer.prompt_tokens, answer.tokens
        record = AnswerRecord(seconds=round(answer.seconds, 3), expected=expected)
        record = record.answered(form, messages, answer.text, *counts, answer.finish)
        print((record.ranked(labels) if labels else record).as_json())
    return 0


def _answer_batch(args: argparse.Namespace, project: Project) -> int:
    from phi3scaffold.inference.answered_rows import has_rows_of
    from phi3scaffold.inference.resumable_output import ResumableOutput, check_place, is_json_lines

    text = not (args.json or (args.output and is_json_lines(args.output)))
    source = Path(args.input) if args.input not in (None, "-") else None
    rows = None
    if args.output:
        rows = source if not args.json and has_rows_of(args.output, source) else None
        place = args.output, source
        check_place(*place, text=text, overwrite=args.overwrite, rows=rows is not None)
    prompts = _prompts(args, project, source)
    with open_with_remark(args, project) as form:
        settings = settings_with_threshold(args, form)
        if not args.output:
            return _answer_all(settings, form, prompts, None, text=text)
        with ResumableOutput(args.output, form, settings, overwrite=args.overwrite) as output:
            if output.before:
                print(f"resuming after {output.before} answers of an earlier run", file=sys.stderr)
            return _answer_all(settings, form, prompts, output, text=text, rows=rows)


def _prompts(args: argparse.Namespace, project: Project, source: Path | None) -> PromptSource:
    from phi3scaffold.inference import prompt_source as prompts

    if args.input is None:
        return prompts.of_texts(args.text)
    if source is not None:
        return prompts.of_file(source, project)
    stream: IO[bytes] = getattr(sys.stdin, "buffer", None) or io.BytesIO(sys.stdin.read().encode())
    return prompts.of_stream(stream, args.input_kind, project)


def _answer_all(
    settings: AnswerSettings,
    form: Form,
    prompts: PromptSource,
    output: ResumableOutput | None,
    *,
    text: bool,
    rows: Path | None = None,
) -> int:
    """Answer all prompts, into the output or onto the screen; return the exit code.

    Args:
        text: whether only the answers are written.
        rows: the file whose rows the output has, too.
    """
    from phi3scaffold.cli.ui import progress
    from phi3scaffold.inference.batch import answer_all

    began, answered, errors, left = time.monotonic(), 0, 0, 0
    on_screen = sys.stdout.isatty() and not output  # the answers themselves show the progress
    with progress.show(quiet=on_screen) as display:
        display.start("answering")
        done = 0

        def advance(*, resumed: bool = False) -> None:
            nonlocal done
            done += 1
            text = progress.count_text(done, prompts.total)
            display.update(done, prompts.total, text, resumed=resumed)

        def add(record: AnswerRecord) -> None:
            if output:
                output.add(record)
            advance()

        def earlier(number: int, messages: list[Message]) -> AnswerRecord | None:
            record = output.known(number, messages) if output else None
            if record:
                advance(resumed=True)
            return record

        try:
            entries = prompts.entries(form.prompt)
            for record in answer_all(form, entries, settings, earlier, add):
                answered += 1
                left += bool(record.abstained)
                if record.error:
                    errors += 1
                    if errors <= ERRORS_SHOWN:
                        display.say(f"error: {record.where}: {record.error['what']}")
                if not output:
                    print(printable(record.as_text() if text else record.as_json()), flush=True)
        except KeyboardInterrupt:
            if output:
                what = f"; rerun to resume: the answers so far are in {output.partial.name}"
            else:
                what = f" after {answered} answers; with --output FILE a rerun resumes"
            display.say(f"interrupted{what}")
            return INTERRUPTED
        if output and answered:
            output.finish(answered, text=text, rows=rows)
    if not answered:
        if output:
            output.partial.unlink(missing_ok=True)
        raise ScaffoldError(
            "There are no prompts on standard input.", fix="write one prompt on each line"
        )
    seconds = duration(time.monotonic() - began)
    message = f"{answered - errors - left} of {answered} prompts answered in {seconds}"
    if left:
        message += f"; {count(left, 'prompt')} left for a person"
    if errors > ERRORS_SHOWN:
        message += f"; {errors - ERRORS_SHOWN} more errors"
        message += f" in {output.file}" if output and not text else ""
    print(f"{message}: {output.file}" if output else message, file=sys.stderr)
    return FAILED_RUN if errors else 0


def _columns(args: argparse.Namespace) -> dict[str, str]:
    """Return the columns that --set names; refuse options that contradict each other."""
    if args.text and args.columns:
        raise ScaffoldError("A text and --set exclude each other.")
    if args.example and (args.text or args.columns):
        raise ScaffoldError("--example has a text of its own.", fix="leave out one of them")
    if args.input is not None and (args.text or args.columns or args.example):
        raise ScaffoldError("--input has the texts.", fix="leave out the other texts or --input")
    columns: dict[str, str] = {}
    for item in args.columns:
        name, equals, text = item.partition("=")
        if not equals or not name:
            raise ScaffoldError(f"--set takes COLUMN=TEXT, not {item!r}.")
        if name in columns:
            raise ScaffoldError(f"--set names the column {name!r} twice.")
        columns[name] = text
    return columns


def _standard_input() -> str | None:
    """Return standard input without its last line break; None for a terminal or nothing."""
    stream = sys.stdin
    if stream is None or stream.closed or stream.isatty():
        return None
    with contextlib.suppress(OSError, ValueError, TypeError):  # Windows, and streams of no file
        if not select.select([stream], [], [], 2)[0]:
            print("reading the prompt from standard input", file=sys.stderr)
    try:
        text = stream.read()
    except UnicodeDecodeError:
        raise ScaffoldError("The text on standard input is not valid UTF-8.") from None
    # nothing at all is a closed pipe, as in cron; white space is somebody's prompt, and refused
    return text.removesuffix("\n").removesuffix("\r") if text else None


def _held_out_row(project: Project) -> Conversation:
    from phi3scaffold.datasets.prepared_rows import HELD_OUT, Prepared, file_of

    path = project.rows / file_of(HELD_OUT)
    if not path.is_file():
        raise ScaffoldError(
            "There is no prompt, and no held-out row to answer instead.",
            where=path,
            fix='add a prompt: phi3scaffold infer "..."; or run: phi3scaffold data',
        )
    try:
        return Prepared(path.parent, HELD_OUT).conversation(0)
    except (ScaffoldError, IndexError, ValueError):
        raise ScaffoldError(
            "The held-out rows cannot be read.", where=path, fix="run: phi3scaffold data"
        ) from None
