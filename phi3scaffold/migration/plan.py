"""How each field of an old config is converted, and the project that follows from them."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from phi3scaffold.generator import template
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
)
from phi3scaffold.migration.old_config import Leaf, OldConfig, is_placeholder
from phi3scaffold.migration.roles import Roles
from phi3scaffold.migration.template_turns import Turns
from phi3scaffold.models import catalogue

KEPT, RENAMED, MOVED, DROPPED, UNKNOWN = "kept", "renamed", "moved", "dropped", "unknown"
TRAIN, HELD_OUT, TURNS = (f"{DATASET}{key}" for key in ("files.train", "files.held_out", "turns"))
MODEL = f"{PROJECT}model.id"
REVISION = f"{PROJECT}model.revision"
# What Olive before 0.13 warmed up by itself; the template's ten steps may be all that there are.
WARMUP = 0.03
FILES = ("data_files.train", "data_files", "data_dir")


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
class MigrationPlan:
    """A project to generate.

    Attributes:
        outcomes: one for each field, in file order.
        values: `FieldOutcome.at` -> value.
        data: the rows: a path or several, a name on the hub, or None for samples.
        part: the subset of a dataset on the hub.
        added: what the old file lacks, and why it is needed.
    """

    outcomes: tuple[FieldOutcome, ...]
    values: dict[str, Any]
    answers: dict[str, Any]
    data: str | list[str] | None
    part: str | None = None
    added: tuple[str, ...] = ()

    @property
    def turns(self) -> Turns | None:
        return self.values.get(TURNS)

    @property
    def cloud(self) -> str | None:
        """The address of rows that stay in Azure."""
        return self.values.get(CLOUD_ROWS)


def plan(old: OldConfig, overrides: dict[str, Any] | None = None) -> MigrationPlan:
    """Decide the fate of every field; `overrides` are options of `new` that win over the file."""
    overrides = dict(overrides or {})
    data = overrides.pop("data", None)
    roles = Roles(old.content)
    fields = {roles.address(leaf.path): leaf.value for leaf in reversed(old.leaves)}
    context = _context(old, roles, fields, overrides)
    values: dict[str, Any] = {}
    lines: dict[str, int] = {}
    outcomes = []
    for leaf in old.leaves:
        outcome = _outcome(leaf, roles.address(leaf.path), context)
        at = outcome.at
        option = "model" if at in (MODEL, REVISION, REGISTRY) else at.removeprefix(OPTION)
        if option in overrides:
            outcome = _gone(outcome, f"--{option} {overrides[option]} was given")
        elif at in (TRAIN, CLOUD_ROWS) and data:
            outcome = _gone(outcome, "--data was given")
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
    part = None if data else fields.get("train.load.subset")
    data = data or values.get(TRAIN)
    if data or TURNS not in values:  # nobody has seen the columns of rows in Azure
        values.pop(CLOUD_ROWS, None)
        why = "without a text_template its columns are unknown"
        outcomes = [_gone(one, why, look=True) if one.at == CLOUD_ROWS else one for one in outcomes]
    outcomes = _held_out(outcomes, values, data)
    if data is None and CLOUD_ROWS not in values:
        outcomes = [_without_rows(outcome, values) for outcome in outcomes]
    answers = {name.removeprefix(OPTION): v for name, v in values.items() if name[:2] == OPTION}
    answers |= {"algo": context.algo, "target": context.target}
    if MODEL in values:
        answers["model"] = values[MODEL]
    added = _added(roles, values, overrides)
    return MigrationPlan(tuple(outcomes), values, answers | overrides, data, part, added)


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
        target=overrides.get("target") or roles.target() or "cpu",
        precision=overrides.get("precision") or precision,
        # Olive looked in the current folder; the AI Toolkit keeps its config one folder deeper.
        folders=(Path.cwd(), here, here.parent),
        own_template=any(leaf.path[-1] in texts and leaf.value for leaf in old.leaves),
        hub=sources.hub_address(next(filter(None, names), None), next(filter(None, files), None)),
        cloud=azure.rows_address(fields),
        registry=azure.registry_address(fields),
        vault=any(azure.is_named(fields.get(f"{client}.keyvault_name")) for client in clients),
    )


def _outcome(leaf: Leaf, address: str, context: MigrationContext) -> FieldOutcome:
    rule = rule_for(address)
    gone = FieldOutcome(leaf.name, leaf.line, DROPPED)
    empty = leaf.value is None or leaf.value in ({}, [])
    if rule is None and empty and any(known.startswith(f"{address}.") for known in FIELDS):
        return replace(gone, why="empty")
    if rule is None:
        why = "not a known field of Olive; check whether you need it"
        return replace(gone, fate=UNKNOWN, why=why, look=True)
    if empty:
        return replace(gone, why=rule.why if not rule.at else "empty")
    if is_placeholder(leaf.value):
        instead = "the template's own stays" if rule.at else f"not needed: {rule.why}"
        if rule.at in (TRAIN, CLOUD_ROWS):
            instead = "sample rows are used instead; use --data ROWS for yours"
        return replace(gone, why=f"a placeholder; {instead}", look=bool(rule.at))
    try:
        value = rule.convert(leaf.value, context)
    except DroppedField as error:
        return replace(gone, why=str(error), look=not isinstance(error, NeedlessField))
    if not rule.at:
        return replace(gone, why=rule.why, look=rule.look)
    fate, why = MOVED, rule.why
    if rule.at.startswith(OLIVE):
        key = rule.at.removeprefix(OLIVE).rpartition(".")[2]
        fate = KEPT if key == leaf.path[-1] else RENAMED
        if not why and value != leaf.value:
            why = f"was {json.dumps(leaf.value, ensure_ascii=False)}"
    return FieldOutcome(leaf.name, leaf.line, fate, rule.at, value, why)


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


def _without_rows(outcome: FieldOutcome, values: dict[str, Any]) -> FieldOutcome:
    """Drop what describes the user's rows: sample rows have columns of their own."""
    if outcome.at == HELD_OUT:
        values.pop(HELD_OUT, None)
        why = "sample rows are used instead, with their own held-out rows; --data ROWS"
        return _gone(outcome, why)
    if outcome.at == TURNS:
        user, assistant, _ = values.pop(TURNS)
        why = "sample rows are used instead; with --data ROWS it becomes user "
        return _gone(outcome, f"{why}{user!r} and assistant {assistant!r}", look=True)
    return outcome


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
