"""The options of `infer` and `chat`: which form answers, how it answers; and opening it."""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from phi3scaffold.cli.option_types import count, typed_as
from phi3scaffold.cli.ui import progress
from phi3scaffold.cli.ui.terminal import can_move
from phi3scaffold.inference.answer_settings import PARSERS, AnswerSettings, stop_text
from phi3scaffold.inference.forms import open_form
from phi3scaffold.inference.forms.kinds import FORMS
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.settings import DEMONSTRATION, Project

if TYPE_CHECKING:
    from phi3scaffold.inference.forms.form import Form


def add_form_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that both verbs take."""
    parser.add_argument(
        "--form",
        choices=FORMS,
        default="onnx",
        metavar="FORM",
        help=f"the form that answers: {', '.join(FORMS)} (default: %(default)s)",
    )
    parser.add_argument(
        "--adapter",
        metavar="NAME",
        help="an adapter from project.yaml, for --form onnx-adapter",
    )
    group = parser.add_argument_group("answer settings (the same as in requests to the server)")
    group.add_argument("--system", metavar="TEXT", help="another system message than the trained")
    for name, metavar, text in (
        ("temperature", "T", "0 (the default: always the likeliest token) to 2"),
        ("top_p", "P", "sample from the likeliest tokens of this total probability"),
        ("seed", "N", "the same seed gives the same answer"),
        ("max_tokens", "N", "limit of the answer (default: from prompt.json)"),
    ):
        option = f"--{name.replace('_', '-')}"
        group.add_argument(option, type=typed_as(PARSERS[name]), metavar=metavar, help=text)
    group.add_argument(  # as the scripts in inferences/ call it
        "--max-new-tokens",
        dest="max_tokens",
        type=count,
        help=argparse.SUPPRESS,
    )
    group.add_argument(
        "--stop",
        type=typed_as(stop_text),
        action="append",
        default=[],
        metavar="TEXT",
        help="end the answer before this text (repeatable)",
    )


def settings_of(args: argparse.Namespace) -> AnswerSettings:
    """Return the answer settings that the options name."""
    return AnswerSettings(
        temperature=args.temperature,
        top_p=args.top_p,
        max_tokens=args.max_tokens,
        seed=args.seed,
        stop=tuple(args.stop),
        system=args.system,
    )


@contextlib.contextmanager
def open_with_remark(args: argparse.Namespace, project: Project) -> Iterator[Form]:
    """Open the form of the options; say on stderr if it is a demonstration model."""
    with load(args.form, args.adapter, project) as form:
        if form.prompt.demonstration:
            print(DEMONSTRATION, file=sys.stderr)
        yield form


def load(name: str, adapter: str | None, project: Project) -> Form:
    """Open a form, with a progress display in a terminal."""
    if adapter and name != "onnx-adapter":
        raise ScaffoldError(
            f"--adapter is for the form onnx-adapter, not for {name}.",
            fix=f"--form onnx-adapter --adapter {adapter}",
        )
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # an answer may hold a character that this terminal's encoding lacks
            stream.reconfigure(errors="replace")
    with progress.show(quiet=not can_move(sys.stderr)) as display:
        display.start(f"loading the {name} form")
        return open_form(name, project, adapter=adapter)
