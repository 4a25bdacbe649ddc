"""`phi3scaffold new DIR`: make a project."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from phi3scaffold.project.errors import ScaffoldError

# Without a terminal these must be given (or --defaults): they decide what the project is.
NEEDED = ("algo", "target", "task")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", help="the folder to make; must not exist")
    add_options(parser)
    parser.add_argument("--defaults", action="store_true", help="ask nothing; take the defaults")
    parser.add_argument("--no-git", action="store_true", help="make no repository and no commit")


def add_options(parser: argparse._ActionsContainer) -> None:
    """An option for each question of the template."""
    from phi3scaffold.datasets.formats.registry import endings_text
    from phi3scaffold.generator import template

    for question in template.questions().values():
        text = question.help.replace(f" ({question.flag})", "").replace("%", "%%")
        if isinstance(question.default, str) and question.default:
            text += f" (default: {question.default})"
        metavar = "|".join(question.choices) if question.choices else None
        if question.name == "data":
            metavar = "ROWS"
            text += f" (formats: {endings_text()})"
        action = parser.add_argument(question.flag, metavar=metavar, help=text)
        values = question.choices if question.name != "model" else _models()
        if values:  # for completion; a wrong one is refused with a message of its own
            action.completer = lambda values=values, **_: values  # type: ignore[attr-defined]


def _models() -> tuple[str, ...]:
    from phi3scaffold.models import catalogue

    return tuple(entry.name for entry in catalogue.ENTRIES)


def run(args: argparse.Namespace) -> int:
    """Ask what is missing, make the project, print the next steps."""
    from phi3scaffold import generator
    from phi3scaffold.generator import template
    from phi3scaffold.pipeline.atomic_folder import check_destination

    destination = Path(args.directory)
    names = list(template.questions())
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    template.check_choices(given)
    check_destination(destination.expanduser().resolve())
    if given.get("data") and "task" not in given:
        given["task"] = generator.fitting_task(given["data"])
        print(f"{given['data']}: --task {given['task']} fits these rows")
    answers = given if args.defaults else _ask(given, names)
    data = answers.pop("data", "") or None
    generator.new(
        destination,
        answers,
        data=data,
        git=not args.no_git,
        say=print,
    )
    summary(destination, generator.complete(answers))
    return 0


def _ask(given: dict[str, Any], names: list[str]) -> dict[str, Any]:
    missing = [name for name in names if name not in given]
    if not missing:
        return given
    if sys.stdin.isatty() and sys.stdout.isatty():
        from phi3scaffold.generator.render import ask

        return ask(given)
    needed = [name for name in NEEDED if name in missing]
    if needed:
        flags = " ".join(f"--{name}" for name in needed)
        raise ScaffoldError(
            f"There is no terminal to ask at, and {flags} {'is' if len(needed) == 1 else 'are'} "
            "missing.",
            fix=f"give {flags}, or --defaults for what is not given",
        )
    return given


def summary(destination: Path, answers: dict[str, Any]) -> None:
    """Print what was made and the next steps."""
    from phi3scaffold.targets.registry import TARGETS

    target, windows = answers["target"], sys.platform == "win32"
    model = answers["model"]
    if model == "tiny":
        model = "tiny (a demonstration model)"
    print(
        f"\nMade {destination}: {answers['task']} with {answers['algo']}, {model}, "
        f"{answers['precision']} ONNX for {target}."
    )
    for line in TARGETS[target].notice:
        print(line)
    print("\nNext:")
    for step in next_steps(destination, target, windows=windows):
        print(f"  {step}")


def next_steps(destination: Path, target: str, *, windows: bool) -> list[str]:
    """Commands that work, in this order, for a project of that target on this system."""
    from phi3scaffold.targets.registry import TARGETS

    here = f'"{destination}"' if windows else shlex.quote(str(destination))
    steps = [f"cd {here}"]
    if windows:
        verb = r".venv\Scripts\phi3scaffold"
        answer = r".venv-infer\Scripts\phi3scaffold" if target == "directml" else verb
        steps.append(r"powershell -ExecutionPolicy Bypass -File setup\setup.ps1")
        steps.append(f"{verb} {'run' if TARGETS[target].remote else 'finetune'}")
        steps.append(f'{answer} infer --form onnx "your text"')
        return steps
    steps += ["make setup", "make finetune"]
    if target == "directml":
        steps.append("(then, on Windows: setup\\setup.ps1 and the commands in README.md)")
    else:
        steps.append("make infer")
    return steps
