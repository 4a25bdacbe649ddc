"""What `new` says at its end: what was made, what a run of it takes, and the next command."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phi3scaffold.cli.ui.interview import say
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.formatting import binary_size, decimal_size, rough_duration

if TYPE_CHECKING:
    from phi3scaffold.search.forecast import Forecast

LONG = 3600.0  # seconds of a run; a model that trains sooner is named then
SOON = 1800.0  # seconds in which that one trains


def summary(destination: Path, answers: dict[str, Any], options: str | None = None) -> None:
    """Print what was made, what a run takes, and the next command.

    Args:
        answers: all of the project's.
        options: the ones that `new` was given, as they are typed, but for the model; None: the
            project is not `new`'s, and no other model is proposed.
    """
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
        say(line)
    for line in _forecast_lines(destination, answers, options):
        say(line)
    print("\nNext:")
    for step in next_steps(destination, target, windows=windows):
        print(f"  {step}")


def _forecast_lines(destination: Path, answers: dict[str, Any], options: str | None) -> list[str]:
    """Return what a run takes, as far as that is known before anything is measured."""
    found = _forecast(destination)
    if found is None:
        return []
    lines = [_needs(found, answers["target"])]
    if options is None or found.is_remote:
        return lines
    if smaller := _smaller_model(answers, found):
        name, seconds = smaller
        lines.append(
            f"That is {'more than this machine holds' if _is_too_large(found) else 'long'}. "
            f"{name} trains in about {rough_duration(seconds)}:"
        )
        folder = shlex.quote(f"{destination}-{name}")
        words = f"phi3scaffold new {folder} {options} --model {name} --defaults"
        lines.append("  " + " ".join(words.split()))
    return lines


def _needs(found: Forecast, target: str) -> str:
    from phi3scaffold.pipeline import machine
    from phi3scaffold.project.providers import CUDA
    from phi3scaffold.targets.registry import TARGETS

    quiet = 1 + found.load  # what else runs here now says little about the day of the run
    low, high = (seconds / quiet for seconds in found.interval)
    time = f"about {rough_duration(found.seconds / quiet)}"
    if rough_duration(low) != rough_duration(high):
        time += f" ({rough_duration(low)} to {rough_duration(high)})"
    text = "The job" if found.is_remote else "A run on this machine"
    if CUDA in TARGETS[target].providers and not found.is_remote and not machine.gpus():
        text = "A run on a GPU"
    text += f" takes {time}, {binary_size(found.memory)} of memory"
    text += f" and {decimal_size(found.disk)} of disk."
    if found.download:
        text += f" First it downloads {decimal_size(found.download)}."
    return (
        text
        if found.is_remote
        else f"{text} `phi3scaffold plan` measures this machine and tells more."
    )


def _forecast(project_folder: Path) -> Forecast | None:
    """Return what a run of the new project takes; None where that cannot be said yet."""
    from phi3scaffold.project.settings import load_project
    from phi3scaffold.search.forecast import forecast
    from phi3scaffold.stages.graph import STAGES, up_to
    from phi3scaffold.targets.registry import remote_target, runs_remotely

    try:
        project = load_project(project_folder)
        tflops = None
        if runs_remotely(project):
            tflops = remote_target(project, "run").tflops(project)
        found = forecast(project, up_to(), STAGES, measure=False, tflops=tflops)
    except (ScaffoldError, OSError):  # the project is made, and `plan` says what is wrong
        return None
    return found if found.memory else None


def _is_long(found: Forecast) -> bool:
    return found.seconds / (1 + found.load) > LONG


def _is_too_large(found: Forecast) -> bool:
    from phi3scaffold.pipeline import machine

    total, _, swap = machine.memory()
    return found.memory > total + swap


def _smaller_model(answers: dict[str, Any], found: Forecast) -> tuple[str, float] | None:
    """Return the name of a model that suits this machine better, and its seconds of training."""
    from phi3scaffold.models import catalogue
    from phi3scaffold.pipeline import machine
    from phi3scaffold.search.model_choice import TrainingLength, better_choice, model_choices

    finetune = found.of("finetune")
    if finetune is None or not (_is_long(found) or _is_too_large(found)):
        return None
    length = TrainingLength(finetune.steps, finetune.tokens)
    choices = model_choices(length, machine.memory()[0], answers["algo"])
    one = better_choice(choices, SOON)
    parameters = catalogue.describe(answers["model"]).parameters or 0
    if one is None or (one.entry.parameters or 0) >= parameters:
        return None
    return one.entry.name, one.seconds


def next_steps(destination: Path, target: str, *, windows: bool) -> list[str]:
    """Return what to type next, for a project of that target on this system.

    PowerShell before 7 does not know `&&`, so that Windows gets a line a command.
    """
    from phi3scaffold.project.providers import DIRECTML
    from phi3scaffold.targets.registry import TARGETS

    here = f'"{destination}"' if windows else shlex.quote(str(destination))
    if windows:
        verb = r".venv\Scripts\phi3scaffold"
        answer = rf"{TARGETS[target].inference_venv}\Scripts\phi3scaffold"
        return [
            f"cd {here}",
            r"powershell -ExecutionPolicy Bypass -File setup\setup.ps1",
            f"{verb} run",
            f'{answer} infer --form onnx "your text"',
        ]
    steps = [f"cd {here} && make setup && make finetune"]
    if DIRECTML in TARGETS[target].providers:
        steps.append("(then, on Windows: setup\\setup.ps1 and the commands in README.md)")
    return steps
