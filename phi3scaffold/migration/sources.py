"""The model, the rows and the turns that an old config names."""

from __future__ import annotations

import re
from typing import Any

from phi3scaffold.datasets import dataset_hub
from phi3scaffold.datasets.formats.registry import is_data_file
from phi3scaffold.generator.new import resolve_model
from phi3scaffold.migration.context import DroppedField, MigrationContext, NeedlessField
from phi3scaffold.migration.conversions import listed, text
from phi3scaffold.migration.template_turns import NotSplit, Turns
from phi3scaffold.migration.template_turns import split as split_turns
from phi3scaffold.models import catalogue
from phi3scaffold.models.families.registry import architectures_text, family_named
from phi3scaffold.project.errors import ScaffoldError

# What a data_name says that is no dataset but a format.
FORMATS = ("json", "csv", "parquet", "text", "pandas", "arrow")
ALIASES = ("phi-3-mini", "phi3-mini", "phi-3", "phi3")
# Names of models that are of no known family, unless `family_named` knows better.
OTHERS = re.compile(
    r"phi-?[12]\b|phi-1_5|phi-3-small|phi-?3(\.5)?-vision|phi-?3\.5-moe|multimodal|llama|vicuna"
    r"|mi[sx]tral|gpt|qwen|gemma|falcon|\bopt-|bloom|bert|\bt5|whisper|pythia|dolly|deepseek",
    re.I,
)
# Folders that people keep models in; `models/mine` is a path and no owner's repository.
FOLDERS = ("model", "models", "model-cache", "cache", "checkpoints", "output", "outputs")


def model(value: Any, context: MigrationContext) -> str:
    """Return a model that `new` accepts: of the catalogue, a folder, or another id of the hub."""
    reference = text(value, context).strip().rstrip("/\\")
    known = catalogue.find(reference)
    if known:
        return known.ref
    there = context.find(reference)
    if there:
        try:
            return resolve_model(str(there[0].resolve()))[0]
        except ScaffoldError as error:
            raise DroppedField(f"{reference}: {error.what}") from None
    plain = re.sub(r"/(versions|labels)/[^/]+$", "", reference)  # of azureml://registries/...
    last = plain.replace("\\", "/").rsplit("/", 1)[-1].lower()
    for entry in catalogue.ENTRIES:
        if entry.hub_id and last in (entry.name, entry.hub_id.rsplit("/", 1)[-1].lower()):
            return entry.ref
    if last in ALIASES:
        return catalogue.DEFAULT
    if OTHERS.search(last) and family_named(last) is None:
        raise DroppedField(f"{reference} is not of the architecture {architectures_text()}")
    if re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", reference) and reference.split("/")[0] not in FOLDERS:
        return reference
    raise DroppedField(f"{reference} is no folder here and not among `phi3scaffold models`")


# ------------------------------------------------------------------ rows


def rows(value: Any, context: MigrationContext) -> str | list[str]:
    """Return the files of the rows: one path, or several; or an address on the hub."""
    if context.hub:
        return context.hub
    found: list[str] = []
    for one in value if isinstance(value, list) else [value]:
        reference = text(one, context)
        paths = context.find(reference)
        if not paths:
            raise DroppedField(f"{reference} is not here")
        found += map(str, paths)
    return found if len(found) > 1 else found[0]


def other_rows(value: Any, context: MigrationContext) -> str | list[str]:
    """Return the files of rows that are not trained on."""
    if context.hub:
        raise DroppedField("a dataset of the hub is split by its own names: test, validation")
    return rows(value, context)


def data_set(value: Any, context: MigrationContext) -> str | list[str]:
    """Return ``owner/name`` on the hub; a format's name is none."""
    reference = text(value, context)
    if reference in FORMATS:
        raise NeedlessField("the file's own name says what it is")
    if context.hub:
        return context.hub
    if context.find(reference):
        return rows(reference, context)
    raise DroppedField(f"{reference} is neither here nor OWNER/NAME")


def part(_value: Any, context: MigrationContext) -> str:
    """Return a dataset's subset; the plan passes its name on beside the dataset's."""
    if context.hub is None:
        raise DroppedField("no dataset of the hub is named, of which this could be a part")
    return context.hub


def hub_address(name: Any, files: Any) -> str | None:
    """Return the dataset of the hub that a `data_name` means, with the file in it; or None."""
    if not isinstance(name, str) or name in FORMATS or is_data_file(name):
        return None
    if not dataset_hub.is_hub_id(name):
        return None
    return f"hf://datasets/{name}/{files}" if isinstance(files, str) and files else name


def split(value: Any, context: MigrationContext) -> float:
    """Return the share to hold out: ``train[:70%]`` leaves 0.3."""
    some = re.fullmatch(r"train\[:(\d+)%\]", str(value))
    if some and 0 < int(some[1]) < 100:
        return round(1 - int(some[1]) / 100, 2)
    if value == "train":
        raise NeedlessField("files.train names them")
    if str(value).startswith("train["):
        raise DroppedField(f"{value}: files are read whole; keep the rows that you want in them")
    raise DroppedField(f"{value}: name the file of that split, --data FILE; whole files are read")


# ------------------------------------------------------------------ turns


def turns(value: Any, context: MigrationContext) -> Turns:
    template = text(value, context)
    if "\n" not in template:  # written without quotes in YAML, say
        template = template.replace("\\n", "\n")
    try:
        return split_turns(template)
    except NotSplit as error:
        raise DroppedField(
            f"it cannot be split: {error}; the turns are guessed from the columns, "
            "see datasets/dataset.yaml"
        ) from None


def columns(value: Any, context: MigrationContext) -> Turns:
    """Without a template Olive joined the columns with blanks."""
    if context.own_template:
        raise NeedlessField("the text_template names the columns")
    names = [value] if isinstance(value, str) else listed(value, context)
    return turns(" ".join(f"{{{name}}}" for name in names), context)
