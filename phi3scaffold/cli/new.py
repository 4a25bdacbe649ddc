"""`phi3scaffold new DIR`: generate a project."""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phi3scaffold.cli.option_types import number
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
    from phi3scaffold.generator import template
    from phi3scaffold.generator.training_options import TrainingOptions
    from phi3scaffold.pipeline.atomic_folder import check_destination

    destination = Path(args.directory)
    answers, reading = answers_of(args), reading_options(args)
    template.check_choices(answers)
    check_destination(destination.expanduser().resolve())
    at_terminal = not args.defaults and sys.stdin.isatty() and sys.stdout.isatty()
    if not args.defaults and not at_terminal:
        _refuse_missing(answers)
    if at_terminal:
        answers, source = _asked(answers, reading)
    else:
        source = _rows(answers, reading)
    if source:
        answers["task"] = source.task
    training = TrainingOptions(args.epochs, args.rank, args.lr)
    generator.new(
        destination, answers, data=source, training=training, git=not args.no_git, say=_say
    )
    summary(destination, generator.complete(answers))
    return 0


def _rows(answers: dict[str, Any], reading: ReadingOptions) -> RowSource | None:
    """Return the rows that the answers name, and say what they are."""
    from phi3scaffold import generator

    source = generator.chosen_rows(answers, reading)
    if source is not None:
        if "task" not in answers:
            print(f"{answers['data']}: --task {source.task} fits these rows")
        for line in source.lines():
            _say(line)
    return source


def _asked(
    answers: dict[str, Any], reading: ReadingOptions
) -> tuple[dict[str, Any], RowSource | None]:
    """Ask what is missing; rows are looked at first where they are known, for what to ask."""
    from phi3scaffold.generator.render import ask

    source = _rows(answers, reading)
    if source is None:
        answers = ask(answers)
        source = _rows(answers, reading)
        if source is None:
            return answers, None
    preselected = {"task": source.task} if source.other_task else {}
    known = answers if preselected else {"task": source.task} | answers
    chosen = ask(known, preselected, source.label_questions)
    decided = any(name in chosen and name not in known for name in source.label_questions)
    if decided or chosen["task"] != source.task:
        source = _rows(chosen, reading)
    return chosen, source


def _say(line: str) -> None:
    """Print a sentence; in a terminal, folded with its other lines indented."""
    if sys.stdout.isatty():
        width = max(40, shutil.get_terminal_size().columns)
        line = textwrap.fill(line, width, subsequent_indent="  ", break_on_hyphens=False)
    print(line)


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


def summary(destination: Path, answers: dict[str, Any]) -> None:
    """Print what was generated and the next steps."""
    from phi3scaffold.targets.registry import TARGETS

    target, windows = answers["target"], sys.platform == "win32"
    model = answers["model"]
    if model == "tiny":
        model = "tiny (a demonstration model)"
    print(
        f"\nCreated {destination}: {answers['task']} with {answers['algo']}, {model}, "
        f"{answers['precision']} ONNX for {target}."
    )
    for line in TARGETS[target].notice:
        print(line)
    needs = needs_text(answers["model"], answers["algo"])
    if needs:
        print(needs)
    print("\nNext:")
    for step in next_steps(destination, target, windows=windows):
        print(f"  {step}")


def needs_text(model: str, algo: str) -> str:
    """Return what the model takes to download and to train; "" where that is not known yet."""
    from phi3scaffold.models import catalogue
    from phi3scaffold.project.algorithms import algorithm_of
    from phi3scaffold.project.formatting import binary_size, decimal_size
    from phi3scaffold.training.memory import training_memory

    entry, algorithm = catalogue.describe(model), algorithm_of(algo)
    if entry.shape is None or algorithm is None:
        return ""
    memory = binary_size(training_memory(entry.shape, entry.target_modules, algorithm))
    text = f"Training takes at least {memory} of memory"
    if entry.download:
        text = f"The model is a download of {decimal_size(entry.download)}. {text}"
    return f"{text}; `phi3scaffold plan` says more, in the project."


def next_steps(destination: Path, target: str, *, windows: bool) -> list[str]:
    """Return commands that work, in this order, for a project of that target on this system."""
    from phi3scaffold.project.providers import DIRECTML
    from phi3scaffold.targets.registry import TARGETS

    here = f'"{destination}"' if windows else shlex.quote(str(destination))
    steps = [f"cd {here}"]
    if windows:
        verb = r".venv\Scripts\phi3scaffold"
        answer = rf"{TARGETS[target].inference_venv}\Scripts\phi3scaffold"
        steps.append(r"powershell -ExecutionPolicy Bypass -File setup\setup.ps1")
        steps.append(f"{verb} run")
        steps.append(f'{answer} infer --form onnx "your text"')
        return steps
    steps += ["make setup", "make finetune"]
    if DIRECTML in TARGETS[target].providers:
        steps.append("(then, on Windows: setup\\setup.ps1 and the commands in README.md)")
    else:
        steps.append("make infer")
    return steps
