"""`phi3scaffold new DIR`: generate a project."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from phi3scaffold.project.errors import ScaffoldError

# What decides the kind of project: without a terminal it must be named, or --defaults.
REQUIRED = ("algo", "target", "task")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", help="the folder to create; it must not exist")
    add_options(parser)
    parser.add_argument("--defaults", action="store_true", help="ask nothing; use the defaults")
    parser.add_argument("--no-git", action="store_true", help="create no git repository")


def add_options(parser: argparse._ActionsContainer) -> None:
    """Add an option for each question of the template."""
    from phi3scaffold.datasets.formats.registry import endings_text
    from phi3scaffold.generator import template
    from phi3scaffold.models import catalogue

    for question in template.questions().values():
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


def run(args: argparse.Namespace) -> int:
    from phi3scaffold import generator
    from phi3scaffold.generator import template
    from phi3scaffold.pipeline.atomic_folder import check_destination

    destination = Path(args.directory)
    answers = answers_of(args)
    template.check_choices(answers)
    check_destination(destination.expanduser().resolve())
    if answers.get("data") and "task" not in answers:
        answers["task"] = generator.fitting_task(answers["data"])
        print(f"{answers['data']}: --task {answers['task']} fits these rows")
    if not args.defaults:
        answers = _ask(answers)
    data = answers.pop("data", "") or None
    generator.new(destination, answers, data=data, git=not args.no_git, say=print)
    summary(destination, generator.complete(answers))
    return 0


def answers_of(args: argparse.Namespace) -> dict[str, Any]:
    """Return the answers that options gave to the template's questions."""
    from phi3scaffold.generator import template

    values = {name: getattr(args, name) for name in template.questions()}
    return {name: value for name, value in values.items() if value is not None}


def _ask(answers: dict[str, Any]) -> dict[str, Any]:
    """Return the answers with the missing ones, asked for in a terminal."""
    from phi3scaffold.generator import template

    if all(name in answers for name in template.questions()):
        return answers
    if sys.stdin.isatty() and sys.stdout.isatty():
        from phi3scaffold.generator.render import ask

        return ask(answers)
    required = [name for name in REQUIRED if name not in answers]
    if required:
        flags = " ".join(f"--{name}" for name in required)
        one = len(required) == 1
        raise ScaffoldError(
            f"{flags} {'is' if one else 'are'} missing, and without a terminal "
            f"{'it' if one else 'they'} cannot be asked for.",
            fix=f"add {flags}, or --defaults",
        )
    return answers


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
    print("\nNext:")
    for step in next_steps(destination, target, windows=windows):
        print(f"  {step}")


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
