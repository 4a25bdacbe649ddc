"""How each field of an old config is converted, and the project that follows from them."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from phi3scaffold.datasets import dataset_hub
from phi3scaffold.generator import template
from phi3scaffold.generator.row_source import RowSource
from phi3scaffold.migration import azure, sources
from phi3scaffold.migration.context import DroppedField, MigrationContext, NeedlessField
from phi3scaffold.migration.fields import (
    ARGS,
    BUILD,
    CLOUD_ROWS,
    DATASET,
    FIELDS,
    JOB,
    MERGE,
    OLIVE,
    OPTION,
    PROJECT,
    REGISTRY,
    rule_for,
    wrong_shape,
)
from phi3scaffold.migration.old_config import Leaf, OldConfig, is_placeholder
from phi3scaffold.migration.roles import Roles
from phi3scaffold.migration.template_turns import Turns
from phi3scaffold.models import catalogue
from phi3scaffold.models.families.family import Family
from phi3scaffold.project.settings import DEFAULT_TARGET

KEPT, RENAMED, MOVED, DROPPED, UNKNOWN = "kept", "renamed", "moved", "dropped", "unknown"
TRAIN, HELD_OUT, VALIDATION, TURNS = (
    f"{DATASET}{key}" for key in ("files.train", "files.held_out", "files.validation", "turns")
)
MODEL = f"{PROJECT}model.id"
REVISION = f"{PROJECT}model.revision"
# What Olive before 0.13 warmed up by itself; the template's ten steps may be all that there are.
WARMUP = 0.03
FILES = ("data_files.train", "data_files", "data_dir")
# What is said where nothing in the file, and no option, gives a value.
STAND_IN = {
    MODEL: f"{catalogue.DEFAULT} stands in, --model NAME takes another",
    TRAIN: "sample rows stand in, --data ROWS takes yours",
}


@dataclass(frozen=True)
class FieldOutcome:
    """How one field is converted.

    Attributes:
        name: its path, ``passes.lora.config.lora_r``.
        fate: kept, renamed, moved, dropped or unknown.
        at: where it stands now, ``FILE: KEY`` or ``--OPTION``; empty when it is gone.
        why: for a field that is dropped or changed.
        look: whether something was lost that needs attention.
    """

    name: str
    line: int
    fate: str
    at: str = ""
    value: Any = None
    why: str = ""
    look: bool = False


@dataclass(frozen=True)
class AbsentRows:
    """Rows that cannot be had now, and what is known of them.

    Attributes:
        name: a file, or a dataset of the hub.
        reason: why, to go on after the name.
        turns: what their columns become.
        held_out: the share of them that is held out.
    """

    name: str
    reason: str
    turns: Turns | None = None
    held_out: float | None = None


@dataclass(frozen=True)
class MigrationPlan:
    """A project to generate.

    Attributes:
        outcomes: one for each field, in file order.
        values: `FieldOutcome.at` -> value.
        data: the rows: a path or several, a name on the hub, or None for samples.
        part: the subset of a dataset on the hub.
        added: what the old file lacks, and why it is needed.
        absent: the rows that sample rows stand in for, or None.
        from_option: whether --data named the rows.
        source: the rows, once they were looked at (row_lookup.py).
        notice: what is said before all else, or "".
        old: the name of the config.
    """

    outcomes: tuple[FieldOutcome, ...]
    values: dict[str, Any]
    answers: dict[str, Any]
    data: str | list[str] | None
    part: str | None = None
    added: tuple[str, ...] = ()
    absent: AbsentRows | None = None
    from_option: bool = False
    source: RowSource | None = None
    notice: str = ""
    old: str = "OLD"

    @property
    def hub_id(self) -> str | None:
        """The dataset of the hub that the rows are, or None."""
        there = isinstance(self.data, str) and dataset_hub.is_hub_id(self.data)
        return str(self.data) if there else None

    @property
    def turns(self) -> Turns | None:
        return self.values.get(TURNS)

    @property
    def cloud(self) -> str | None:
        """The address of rows that stay in Azure."""
        return self.values.get(CLOUD_ROWS)


def plan(old: OldConfig, overrides: dict[str, Any] | None = None) -> MigrationPlan:
    """Decide the fate of every field; `overrides` are options of `new` that win over the file."""
    options = dict(overrides or {})
    data = options.pop("data", None)
    roles = Roles(old.content)
    fields = {roles.address(leaf.path): leaf.value for leaf in reversed(old.leaves)}
    context = _context(old, roles, fields, options)
    context = replace(context, family=_family(old, roles, context, options.get("model")))
    values: dict[str, Any] = {}
    lines: dict[str, int] = {}
    outcomes: list[FieldOutcome] = []
    lost: dict[str, str] = {}  # name of a field whose value has no place -> its place
    for leaf in old.leaves:
        outcome, place = _outcome(leaf, roles.address(leaf.path), context)
        at = outcome.at
        option = "model" if place in (MODEL, REVISION, REGISTRY) else place.removeprefix(OPTION)
        if option in options:
            outcome = _gone(outcome, f"--{option} {options[option]} was given")
        elif data and _names_rows(place, roles.address(leaf.path), outcome.value):
            outcome = _gone(outcome, "--data was given")
        elif outcome.look:
            lost[leaf.name] = TRAIN if place == CLOUD_ROWS else place
        elif at == HELD_OUT:
            pass  # several fields may name them, in any order: see _held_out
        elif at in values and values[at] != outcome.value:
            outcome = _gone(outcome, f"line {lines[at]} says it already")
        elif at:
            values[at], lines[at] = outcome.value, outcome.line
        outcomes.append(outcome)
    if MODEL not in values and values.pop(REVISION, None):
        why = "of a model that is not taken"
        outcomes = [_gone(one, why) if one.at == REVISION else one for one in outcomes]
    if data or TURNS not in values:  # nobody has seen the columns of rows in Azure
        values.pop(CLOUD_ROWS, None)
        why = f"without a text_template its columns are unknown; {STAND_IN[TRAIN]}"
        outcomes = [_gone(one, why, look=True) if one.at == CLOUD_ROWS else one for one in outcomes]
    outcomes = [_with_stand_in(one, lost.get(one.name, ""), lines) for one in outcomes]
    train = data or values.get(TRAIN)
    found = MigrationPlan(
        tuple(_validating(_held_out(outcomes, values, train), values, train)),
        values,
        _answers(values, context) | options,
        data or values.get(TRAIN),
        None if data else fields.get("train.load.subset"),
        _added(roles, values, options),
        from_option=bool(data),
        old=old.path.name,
    )
    if found.data or found.cloud:
        return found
    missing = (leaf.value for leaf in old.leaves if lost.get(leaf.name) == TRAIN)
    names = [name for name in missing if isinstance(name, str) and not is_placeholder(name)]
    return without_rows(found, ", ".join(names), "was not found")


def _names_rows(place: str, address: str, value: Any) -> bool:
    """Return whether a field names rows that --data replaces; a share to hold out is none."""
    if place == HELD_OUT:
        return ".load." in address and not isinstance(value, float)
    return place in (TRAIN, VALIDATION, CLOUD_ROWS)


def _answers(values: dict[str, Any], context: MigrationContext) -> dict[str, Any]:
    answers = {at.removeprefix(OPTION): v for at, v in values.items() if at.startswith(OPTION)}
    answers |= {"algo": context.algo, "target": context.target}
    return answers | ({"model": values[MODEL]} if MODEL in values else {})


def without_rows(found: MigrationPlan, name: str, reason: str) -> MigrationPlan:
    """Return the plan with sample rows, which have columns of their own, in place of its rows.

    Args:
        name: of the rows that cannot be had now; "" where the file names none.
        reason: why they cannot.
    """
    values = {
        at: v for at, v in found.values.items() if at not in (TRAIN, HELD_OUT, VALIDATION, TURNS)
    }
    turns, share = found.turns, found.values.get(HELD_OUT)
    kept = share if isinstance(share, float) else None
    return replace(
        found,
        outcomes=tuple(_without_rows(outcome, name, reason) for outcome in found.outcomes),
        values=values,
        data=None,
        part=None,
        absent=AbsentRows(name, reason, turns, kept) if name else None,
    )


def _without_rows(outcome: FieldOutcome, name: str, reason: str) -> FieldOutcome:
    if outcome.at == TRAIN:
        return _gone(outcome, f"{name} {reason}; {STAND_IN[TRAIN]}", look=True)
    if outcome.at in (HELD_OUT, VALIDATION):
        return _gone(outcome, "sample rows stand in, with their own held-out rows; --data ROWS")
    if outcome.at == TURNS:
        user, assistant, _ = outcome.value
        turns = f"user {user!r} and assistant {assistant!r}"
        return _gone(
            outcome, f"sample rows stand in; with --data ROWS it becomes {turns}", look=True
        )
    return outcome


def _with_stand_in(outcome: FieldOutcome, place: str, lines: dict[str, int]) -> FieldOutcome:
    """Say of a model or of rows that are lost what is used in their place."""
    if place not in STAND_IN:
        return outcome
    line = lines.get(place) or (lines.get(CLOUD_ROWS) if place == TRAIN else None)
    if line is None:
        return replace(outcome, why=f"{outcome.why}; {STAND_IN[place]}")
    what = "the model" if place == MODEL else "rows"
    return replace(outcome, why=f"{outcome.why}; line {line} names {what}")


def _context(
    old: OldConfig, roles: Roles, fields: dict[str, Any], overrides: dict[str, Any]
) -> MigrationContext:
    here = Path(old.path).resolve().parent
    precisions = template.questions()["precision"].choices
    precision = fields.get("build.precision")
    if precision not in precisions:
        precision = precisions[0]
    texts = ("text_template", "text_formatting_func")
    clients = ("engine.azureml_client", "system.azureml_client")
    names = (fields.get(f"train.load.{key}") for key in ("data_name", "dataset_name"))
    files = (fields.get(f"train.load.{key}") for key in FILES)
    return MigrationContext(
        algo=overrides.get("algo") or roles.algo or "lora",
        target=overrides.get("target") or roles.target() or DEFAULT_TARGET,
        precision=overrides.get("precision") or precision,
        # Olive looked in the current folder; the AI Toolkit keeps its config one folder deeper.
        folders=(Path.cwd(), here, here.parent),
        own_template=any(leaf.path[-1] in texts and leaf.value for leaf in old.leaves),
        hub=sources.hub_address(next(filter(None, names), None), next(filter(None, files), None)),
        cloud=azure.rows_address(fields),
        registry=azure.registry_address(fields),
        vault=any(azure.is_named(fields.get(f"{client}.keyvault_name")) for client in clients),
    )


def _family(old: OldConfig, roles: Roles, context: MigrationContext, chosen: str | None) -> Family:
    """Return the family of the model that the project gets: the chosen one, else the file's."""
    for leaf in () if chosen else old.leaves:
        outcome, _ = _outcome(leaf, roles.address(leaf.path), context)
        if outcome.at == MODEL:
            chosen = str(outcome.value)
            break
    return catalogue.family_for(chosen or catalogue.DEFAULT)


def _outcome(leaf: Leaf, address: str, context: MigrationContext) -> tuple[FieldOutcome, str]:
    """Return how a field is converted, and the place that it is for."""
    rule = rule_for(address)
    gone = FieldOutcome(leaf.name, leaf.line, DROPPED)
    empty = leaf.value is None or leaf.value in ({}, [])
    if rule is None and empty and any(known.startswith(f"{address}.") for known in FIELDS):
        return replace(gone, why="empty"), ""
    if rule is None:
        shape = wrong_shape(leaf, address)
        why = shape or "not a known field of Olive; check whether you need it"
        return replace(gone, fate=DROPPED if shape else UNKNOWN, why=why, look=True), ""
    if empty:
        return replace(gone, why="empty" if rule.at else rule.why or "empty"), rule.at
    if is_placeholder(leaf.value):
        stays = "the template's own stays" if rule.at else f"not needed: {rule.why}"
        rows = rule.at == CLOUD_ROWS
        why = "a placeholder" if rows or rule.at in STAND_IN else f"a placeholder; {stays}"
        return replace(gone, why=why, look=bool(rule.at)), rule.at
    try:
        value = rule.convert(leaf.value, context)
    except DroppedField as error:
        lost = not isinstance(error, NeedlessField)
        return replace(gone, why=str(error), look=lost), rule.at
    if not rule.at:
        return replace(gone, why=rule.why, look=rule.look), ""
    fate, why = MOVED, rule.why
    if rule.at.startswith(OLIVE):
        key = rule.at.removeprefix(OLIVE).rpartition(".")[2]
        fate = KEPT if key == leaf.path[-1] else RENAMED
        if not why and value != leaf.value:
            why = f"was {json.dumps(leaf.value, ensure_ascii=False)}"
    return FieldOutcome(leaf.name, leaf.line, fate, rule.at, value, why), rule.at


def _gone(outcome: FieldOutcome, why: str, *, look: bool = False) -> FieldOutcome:
    return FieldOutcome(outcome.name, outcome.line, DROPPED, why=why, look=look)


def _held_out(
    outcomes: list[FieldOutcome], values: dict[str, Any], data: str | list[str] | None
) -> list[FieldOutcome]:
    """Choose the held-out rows: their own rows before a share, never the training rows."""
    named = [outcome for outcome in outcomes if outcome.at == HELD_OUT]
    rows = [outcome for outcome in named if not isinstance(outcome.value, float)]
    apart = [outcome for outcome in rows if outcome.value != data]
    shares = [outcome for outcome in named if outcome not in rows]
    if CLOUD_ROWS in values:  # the job reads one file
        apart = []
    chosen = next(iter(apart + shares), None)
    if chosen:
        values[HELD_OUT] = chosen.value
    found = []
    for outcome in outcomes:
        if outcome in rows and outcome not in apart:
            outcome = _gone(outcome, "a share of the training rows is held out")
        elif chosen and outcome in named and outcome.value != chosen.value:
            outcome = _gone(outcome, f"line {chosen.line} names the held-out rows")
        found.append(outcome)
    return found


def _validating(
    outcomes: list[FieldOutcome], values: dict[str, Any], data: str | list[str] | None
) -> list[FieldOutcome]:
    """Keep the validation rows where they are neither training rows nor held out."""
    validation = values.get(VALIDATION)
    if validation is None or (
        validation not in (data, values.get(HELD_OUT)) and CLOUD_ROWS not in values
    ):
        return outcomes
    del values[VALIDATION]
    why = "the validation rows are taken from the training rows"
    return [_gone(one, why) if one.at == VALIDATION else one for one in outcomes]


def _added(roles: Roles, values: dict[str, Any], overrides: dict[str, Any]) -> tuple[str, ...]:
    """Return what the project needs and the file lacks; put some of it into `values`."""
    added = []
    if not roles.training and "algo" not in overrides:
        added.append("passes.finetune: LoRA, since none of its passes trains")
    if MERGE not in values:
        added.append("passes.merge: MergeAdapterWeights, before the model is built")
    if BUILD not in values:
        added.append("passes.build: ModelBuilder, which makes the ONNX model")
    model = overrides.get("model") or values.get(MODEL)
    if model is None:
        added.append(f"{MODEL}: {template.questions()['model'].default}")
    elif catalogue.find(model) is None and not catalogue.is_local(model):
        added.append(f"{MODEL}: the architecture of {model} is checked when it is fetched")
    if f"{ARGS}max_steps" in values and f"{ARGS}warmup_steps" not in values:
        values[f"{ARGS}warmup_steps"] = WARMUP
        added.append(f"{ARGS}warmup_steps: {WARMUP}, as Olive warmed up where nothing was said")
    if values.get(f"{OLIVE}passes.finetune.quant_type", "nf4") != "nf4":
        values[f"{PROJECT}merge_base"] = "original"
        added.append(f"{PROJECT}merge_base: original, since the base is not in nf4")
    if CLOUD_ROWS in values:
        values[f"{JOB}inputs.rows.type"] = "uri_file"
        added.append(f"{JOB}inputs.rows.type: uri_file, the one file of the rows")
    return tuple(added)
