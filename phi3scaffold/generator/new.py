"""Make a project: check the answers, render, add rows and runtime, commit, publish."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from phi3scaffold.datasets.detection.detector import LOOKED_AT
from phi3scaffold.datasets.normalization import LOOK, ReadingOptions
from phi3scaffold.generator import template
from phi3scaffold.generator.git import first_commit
from phi3scaffold.generator.render import render
from phi3scaffold.generator.row_count import training_rows
from phi3scaffold.generator.row_source import RowSource, chosen_rows, sample_rows
from phi3scaffold.generator.setup_files import write_environments
from phi3scaffold.generator.training_options import TrainingOptions
from phi3scaffold.generator.wheel import record_wheel, write_wheel
from phi3scaffold.pipeline.atomic_folder import check_destination, published
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.formatting import count
from phi3scaffold.project.training_defaults import training_defaults

if TYPE_CHECKING:
    from phi3scaffold.datasets.detection.guess import ToolRows
    from phi3scaffold.models.families.family import Family

# Characters that no name of a project may hold, and why.
SHELL = "which has a special meaning in a shell, also in the project's commands"
ODD = {
    '"': f"a double quote, {SHELL}",
    "'": f"a single quote, {SHELL}",
    "`": f"a backquote, {SHELL}",
    "$": f"a dollar sign, {SHELL} and in make",
    "\\": f"a backslash, {SHELL}",
    "{": f"a brace, {SHELL}",
    "}": f"a brace, {SHELL}",
    ":": "a colon, which separates folders in PATH, and which Windows does not allow",
    **{one: f"{one}, which Windows does not allow, and a shell expands" for one in "<>|?*"},
}
REGISTERED = re.compile(r"azureml://registries/[^/]+/models/(?P<name>[^/]+)(/versions/[^/]+)?/?")


def new(
    destination: Path,
    answers: dict[str, Any],
    *,
    data: str | Path | RowSource | None = None,
    reading: ReadingOptions = LOOK,
    training: TrainingOptions | None = None,
    git: bool = True,
    wheel: bool = True,
    amend: Callable[[Path], None] = lambda _staging: None,
    say: Callable[[str], None] = lambda _line: None,
) -> Path:
    """Make the project, whole or not at all; return its absolute path.

    Args:
        answers: option -> value, as copier.yml asks; what is missing takes its default.
        data: the user's rows (a file, a folder, or a dataset of the hub), or None for the sample
            rows of the task. They decide the task where `answers` does not.
        reading: how the rows' files are read where that cannot be seen.
        training: what takes the place of the defaults of training.
        git: make the first commit.
        wheel: write the runtime's wheel into setup/.
        amend: changes the rendered files in a folder before the first commit.
        say: receives, in whole sentences, what was decided without asking.

    Raises:
        ScaffoldError: an answer, the data or the destination is refused.
        OSError: the destination cannot be written, or the disk is full.
    """
    destination = Path(destination).expanduser().resolve()
    check_destination(destination)
    check_name(destination)
    from phi3scaffold.models import catalogue

    explicit, answers = answers, complete(answers)
    answers["model"], registered = known_model(answers["model"], answers["target"])
    answers["model"], weights, family, parameters = resolve_model(answers["model"], say)
    source = (
        data if isinstance(data, RowSource) else chosen_rows({**explicit, "data": data}, reading)
    )
    if source is None:
        source = sample_rows(answers["task"])
    elif source is not data:
        for line in source.lines():
            say(line)
    answers["task"] = source.task
    if source.tool_rows and (weights or catalogue.is_local(answers["model"])):
        _refuse_lost_tools(source.tool_rows, answers["model"], weights or Path(answers["model"]))
    rows = training_rows(source)
    training = training or TrainingOptions()
    say(training.over(training_defaults(answers["algo"], parameters, rows)).summary)
    with published(destination) as staging:
        found = {
            "project_name": destination.name,
            "rows": source.answer,
            "train_rows": rows,
            "parameters": parameters,
        }
        if answers["target"] in template.cloud_targets():
            here = answers["model"] if catalogue.is_local(answers["model"]) else ""
            found["model_input"] = registered or here
        render(staging, answers | found, family=family)
        for name, path in source.files.items():
            target = staging / "datasets" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        if weights is not None:
            shutil.copytree(weights, staging / "model-cache" / "base")
        write_environments(staging / "setup", answers["target"], tiny=weights is not None)
        if wheel:
            write_wheel(staging / "setup", weights=weights is not None)
            record_wheel(staging)
        training.write(staging)
        amend(staging)
        if git:
            note = first_commit(staging, destination)
            if note:
                say(f"git: {note}")
    return destination


def _refuse_lost_tools(rows: ToolRows, model: str, folder: Path) -> None:
    """Refuse rows of tools where the model is here, and its chat template knows no tools.

    Raises:
        ScaffoldError: so it is.
    """
    from phi3scaffold.datasets.rendering import tools_error
    from phi3scaffold.models.chat_template import load_tokenizer
    from phi3scaffold.models.tool_template import knows_tools

    if knows_tools(load_tokenizer(folder)):
        return
    which = count(rows.number, "row uses", "rows use")
    if rows.of == LOOKED_AT:
        which = f"{count(rows.number)} of the first {count(rows.of)} rows use"
    raise tools_error(which, model, "tools", rows.place)


def complete(answers: dict[str, Any]) -> dict[str, Any]:
    """Fill `answers` up with copier.yml's defaults, except those that depend on other answers.

    Raises:
        ScaffoldError: an answer is not among the choices.
    """
    template.check_choices(answers)
    questions = template.questions().values()
    known = {one.name: one.default for one in questions if not (one.depends or one.about_rows)}
    about_rows = {one.name for one in questions if one.about_rows}
    return known | {name: value for name, value in answers.items() if name not in about_rows}


def check_name(destination: Path) -> None:
    """Refuse a folder name that cannot stand in a README, in make and in a shell's commands."""
    name = destination.name
    if not name:
        reason = "The root of the disk has no name for a project to take"
    elif name.startswith("-"):
        reason = (
            f"The project's name {name!r} begins with -, so commands would read it as an option"
        )
    elif name != name.strip(" ") or name.endswith("."):
        reason = f"The project's name {name!r} begins or ends with a space, or ends with a dot"
    else:
        odd = next((one for one in name if not one.isprintable() or one in ODD), None)
        if odd is None:
            return
        what = ODD.get(odd) or f"the character U+{ord(odd):04X}, which cannot be seen"
        reason = f"The project's name {name!r} contains {what}"
    raise ScaffoldError(
        f"{reason}.", where="DIR", fix="use letters, digits, dots, dashes and underscores"
    )


def known_model(ref: str, target: str) -> tuple[str, str]:
    """Return the model's own id, and `ref` where it is an address in an Azure ML registry, or "".

    Raises:
        ScaffoldError: it has no version, the target has no jobs, or the model is not known.
    """
    from phi3scaffold.models import catalogue

    if not ref.startswith("azureml:"):
        return ref, ""
    match = REGISTERED.fullmatch(ref)
    if match is None or match[2] is None:
        raise ScaffoldError(
            "This is not the address of a registry model with its version.",
            where="--model",
            fix="azureml://registries/azureml/models/Phi-3-mini-4k-instruct/versions/15",
        )
    if target not in template.cloud_targets():
        raise ScaffoldError(
            f"Only a job in Azure ML reads a registry, and --target is {target}.",
            where="--model",
            fix=f"--target {template.cloud_targets()[0]}; "
            "or one of the names that `phi3scaffold models` lists",
        )
    for entry in catalogue.ENTRIES:
        if entry.ref.rpartition("/")[2].lower() == match["name"].lower():
            return entry.ref, ref.rstrip("/")
    raise ScaffoldError(
        f"It is not known which model {match['name']} was made from.",
        where="--model",
        fix="give its hub id, and the address as inputs.model in fine-tuning/job.yml",
    )


class ResolvedModel(NamedTuple):
    """A model that a project may have.

    Attributes:
        ref: what the project names.
        weights: the folder to copy (tiny's), or None.
        family: of its architecture.
        parameters: how many weights it has; 0 where its config.json cannot be read from here.
    """

    ref: str
    weights: Path | None
    family: Family
    parameters: int


def resolve_model(ref: str, say: Callable[[str], None] = lambda _line: None) -> ResolvedModel:
    """Return what project.yaml's model.id becomes.

    Args:
        ref: a name of the catalogue, a hub id, or a folder.
        say: receives what could not be checked, and what differs from the model's own files.

    Raises:
        ScaffoldError: an unknown name, or a model that cannot be trained here.
    """
    from phi3scaffold.models import catalogue
    from phi3scaffold.models.families import registry
    from phi3scaffold.models.model_folder import check_model_folder, refuse_links_out
    from phi3scaffold.models.template_file import template_notes

    if not ref.strip():
        raise ScaffoldError(
            "The model is missing.",
            where="--model",
            fix="a name from `phi3scaffold models`, a hub id, or a local folder",
        )
    entry = catalogue.describe(ref)
    if catalogue.is_local(ref):
        folder = Path(ref).expanduser().resolve()
        check_model_folder(folder)
        refuse_links_out(folder)
        for note in template_notes(folder):
            say(note)
        return ResolvedModel(str(folder), None, entry.family, entry.parameters or 0)
    family, parameters = entry.family, entry.parameters or 0
    if catalogue.find(ref) is None:
        config = _check_on_hub(ref, say)
        family = registry.family_of(config.get("architectures") or ()) or family
        parameters = _parameters(config)
    if entry.access:
        say(entry.access)
    if entry.ref != "tiny":
        return ResolvedModel(entry.ref, None, family, parameters)
    weights = catalogue.tiny_folder()
    if not (weights / "config.json").is_file():
        raise ScaffoldError(
            "tiny's weights are not part of this installation.",
            where=weights,
            fix="run the `phi3scaffold` that was installed from the package or the repository",
        )
    return ResolvedModel(entry.ref, weights, family, parameters)


def _parameters(config: dict[str, Any]) -> int:
    """Return how many weights a config.json makes; 0 where it lacks a size."""
    from phi3scaffold.models.shape import shape_of

    try:
        return shape_of(config).parameters
    except (KeyError, TypeError, ValueError):
        return 0


def _check_on_hub(repo: str, say: Callable[[str], None]) -> dict[str, Any]:
    """Refuse a model of the hub that cannot be trained; return its config.json.

    Where that cannot be read, it is said, and the result is empty.

    Raises:
        ScaffoldError: its config.json says another architecture, or quantized weights.
    """
    from phi3scaffold.models.model_config import CARD, CONFIG, check_config
    from phi3scaffold.models.model_hub import peek

    def card() -> str:
        try:
            return peek(repo, CARD)
        except ScaffoldError:  # a model needs none
            return ""

    try:
        text = peek(repo, CONFIG)
    except ScaffoldError as error:
        say(
            f"warning: --model {repo} was not checked, since its config.json cannot be read from "
            f"here: {error.what.rstrip('.')}. `phi3scaffold model` checks it before it downloads "
            "the weights"
        )
        return {}
    try:
        config = json.loads(text)
    except ValueError:
        config = None
    where = f"--model {repo}: {CONFIG}"
    if not isinstance(config, dict):
        raise ScaffoldError(
            "It does not hold a JSON object.", where=where, fix="choose another model"
        )
    check_config(config, where, card)
    return config
