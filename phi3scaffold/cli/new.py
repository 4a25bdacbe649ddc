"""`phi3scaffold new DIR`: generate a project."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phi3scaffold.cli.option_types import number
from phi3scaffold.cli.ui.interview import say, say_found
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.setting_names import VALUE_RULES

if TYPE_CHECKING:
    from phi3scaffold.datasets.normalization import ReadingOptions
    from phi3scaffold.generator.row_source import RowSource

# What decides the kind of project: without a terminal it must be named, or --defaults.
REQUIRED = ("algo", "target", "task")
TRAINING = (
    ("--epochs", "num_train_epochs", "passes over the training rows"),
    ("--rank", "r", "rank of the adapter; alpha keeps its proportion to it"),
    ("--lr", "learning_rate", "the peak of the learning rate"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", help="the folder to create; it must not exist")
    add_options(parser)
    add_reading_options(parser)
    add_training_options(parser)
    parser.add_argument("--defaults", action="store_true", help="ask nothing; use the defaults")
    parser.add_argument("--no-git", action="store_true", help="create no git repository")


def add_options(parser: argparse._ActionsContainer, *, columns: bool = True) -> None:
    """Add an option for each question of the template; without `columns`, not those about them."""
    from phi3scaffold.datasets.formats.registry import endings_text
    from phi3scaffold.generator import template
    from phi3scaffold.models import catalogue

    for question in template.questions().values():
        if question.about_rows and question.name != "data" and not columns:
            continue
        text = question.help.replace(f" ({question.flag})", "").replace("%", "%%")
        if isinstance(question.default, str) and question.default:
            text += f" (default: {question.default})"
        metavar = "|".join(question.choices) if question.choices else None
        if question.name == "data":
            metavar = "ROWS"
            text += f" (formats: {endings_text()})"
        action = parser.add_argument(question.flag, metavar=metavar, help=text)
        values = question.choices
        if question.name == "model":
            values = tuple(entry.name for entry in catalogue.ENTRIES)
        if values:  # for completion; a wrong value has an error message of its own
            action.completer = lambda values=values, **_: values  # type: ignore[attr-defined]


def add_reading_options(parser: argparse._ActionsContainer) -> None:
    """Add how the files of --data are read where that cannot be seen in them."""
    parser.add_argument(
        "--encoding",
        metavar="NAME",
        help="the encoding of --data if it is not UTF-8, such as windows-1252 "
        "(default: detected in the file)",
    )
    parser.add_argument(
        "--header",
        action=argparse.BooleanOptionalAction,
        help="whether the first row of --data names the columns (default: detected in the file)",
    )


def add_training_options(parser: argparse._ActionsContainer) -> None:
    """Add the settings of training that are changed most; `phi3scaffold set` changes them later."""
    for flag, key, what in TRAINING:
        parser.add_argument(
            flag,
            metavar="N",
            type=number(VALUE_RULES[key]),
            help=f"{what} (default: by model and rows)",
        )


def reading_options(args: argparse.Namespace) -> ReadingOptions:
    """Return how the files of --data are read."""
    from phi3scaffold.datasets.normalization import ReadingOptions

    return ReadingOptions(args.encoding, args.header)


def run(args: argparse.Namespace) -> int:
    from phi3scaffold import generator
    from phi3scaffold.cli.ui.new_summary import summary
    from phi3scaffold.generator import template
    from phi3scaffold.generator.new import check_name
    from phi3scaffold.generator.training_options import TrainingOptions
    from phi3scaffold.pipeline.atomic_folder import check_destination

    destination = Path(args.directory)
    given, reading = answers_of(args), reading_options(args)
    template.check_choices(given)
    absolute = destination.expanduser().resolve()
    check_destination(absolute)
    check_name(absolute)
    training = TrainingOptions(args.epochs, args.rank, args.lr)

    def make(answers: dict[str, Any], source: RowSource | None) -> None:
        generator.new(
            destination, answers, data=source, training=training, git=not args.no_git, say=say
        )

    if not args.defaults and sys.stdin.isatty() and sys.stdout.isatty():
        answers = _interview(given, reading, make)
    else:
        if not args.defaults:
            _refuse_missing(given)
        answers, source = given, _rows(given, reading)
        if source:
            answers["task"] = source.task
        make(answers, source)
    summary(destination, generator.complete(answers), _options(given))
    return 0


def _interview(
    given: dict[str, Any],
    reading: ReadingOptions,
    make: Callable[[dict[str, Any], RowSource | None], None],
) -> dict[str, Any]:
    """Ask, and make the project; return the answers. A model that is refused is asked again."""
    from phi3scaffold.cli.ui.interview import ask_model, interview, print_error

    answers, source = interview(given, reading)
    while True:
        if source:
            answers["task"] = source.task
        try:
            make(answers, source)
        except ScaffoldError as error:
            if "model" in given or error.where != "--model":
                raise
            print_error(error)
            answers["model"] = ask_model(answers, source)
        else:
            return answers


def _rows(answers: dict[str, Any], reading: ReadingOptions) -> RowSource | None:
    """Return the rows that the answers name, and say what they are."""
    from phi3scaffold import generator

    source = generator.chosen_rows(answers, reading)
    if source is not None:
        if "task" not in answers:
            print(f"{answers['data']}: --task {source.task} fits these rows")
        say_found(source)
    return source


def _options(answers: dict[str, Any]) -> str:
    """Return the answers, without the model, as they are typed."""
    from phi3scaffold.generator import template

    flags = {name: question.flag for name, question in template.questions().items()}
    typed = (f"{flags[name]} {shlex.quote(str(value))}" for name, value in answers.items()
             if name != "model")  # fmt: skip
    return " ".join(typed)


def answers_of(args: argparse.Namespace) -> dict[str, Any]:
    """Return the answers that options gave to the template's questions."""
    from phi3scaffold.generator import template

    values = {name: getattr(args, name, None) for name in template.questions()}
    return {name: value for name, value in values.items() if value is not None}


def _refuse_missing(answers: dict[str, Any]) -> None:
    """Refuse answers without those that nobody can be asked for."""
    required = [name for name in REQUIRED if name not in answers]
    if answers.get("data") and "task" in required:
        required.remove("task")  # the rows say it
    if required:
        flags = " ".join(f"--{name}" for name in required)
        one = len(required) == 1
        raise ScaffoldError(
            f"{flags} {'is' if one else 'are'} missing, and without a terminal "
            f"there is no way to ask for {'it' if one else 'them'}.",
            fix=f"add {flags}, or --defaults",
        )
