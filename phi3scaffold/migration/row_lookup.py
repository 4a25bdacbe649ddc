"""Look at the rows of a plan; where the hub cannot be asked now, sample rows stand in.

Migrating needs no network: what is known of such rows is written down in datasets/dataset.yaml.
"""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import unquote

from phi3scaffold.datasets import dataset_hub
from phi3scaffold.datasets.detection import Guess
from phi3scaffold.datasets.split import AUTO
from phi3scaffold.generator.row_source import (
    HELD_OUT_FRACTION,
    RowSource,
    plain_name,
    sample_rows,
    user_rows,
)
from phi3scaffold.migration.plan import (
    HELD_OUT,
    VALIDATION,
    AbsentRows,
    MigrationPlan,
    without_rows,
)
from phi3scaffold.models import model_hub
from phi3scaffold.models.column_templates import columns_of
from phi3scaffold.models.hub_errors import HubError, within
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError

SAMPLES = "qa"
PATIENCE = 5.0  # seconds in which the hub has to answer


def look(plan: MigrationPlan) -> MigrationPlan:
    """Return the plan with its rows looked at (`MigrationPlan.source`).

    Raises:
        ScaffoldError: the rows cannot be read, or do not fit; or --data names a dataset that the
            hub refuses.
    """
    if plan.source is not None:
        return plan
    hub_id = plan.hub_id
    if hub_id is None:
        return replace(plan, source=_source(plan))
    try:
        within(PATIENCE, lambda: dataset_hub.find(hub_id, plan.part))
        return replace(plan, source=_source(plan))
    except HubError as error:
        unreached = error.exit_code == FAILED_RUN or model_hub.offline()
        if plan.from_option and not unreached:
            raise
        name = f"{hub_id}, part {plan.part}" if plan.part else hub_id
        what = error.what if unreached else f"{error.what.rstrip('.')}: {error.fix}."
        absent = without_rows(plan, name, "was not looked at, since the hub did not answer")
        if not unreached:
            absent = without_rows(plan, name, "cannot be had from the hub now")
        notice = f"{what}\nSample rows stand in for {name}: datasets/dataset.yaml says what to do."
        return replace(absent, notice=notice, source=_source(absent))


def _source(plan: MigrationPlan) -> RowSource:
    task, held_out = plan.answers.get("task"), plan.values.get(HELD_OUT)
    if plan.cloud:
        return _from_cloud(plan, plan.cloud)
    if plan.data is None:
        source = sample_rows(task or SAMPLES)
        return replace(source, summary=f"sample rows: {source.summary}")
    turns = (plan.turns.user, plan.turns.assistant) if plan.turns else None
    source = user_rows(plan.data, task, turns, part=plan.part)
    if validating := plan.values.get(VALIDATION):
        source = _with_set(source, "validation", user_rows(validating, source.task, turns))
    if held_out is None:
        return source
    if isinstance(held_out, float):
        if not isinstance(source.answer["held_out"], float):
            return source  # a split of its own is better than a share
        return replace(source, answer=source.answer | {"held_out": held_out})
    held = user_rows(held_out, source.task, turns)
    validation = source.answer["validation"]
    own = () if isinstance(validation, str) else map(source.files.get, validation)
    if any(path in held.files.values() for path in own):
        # what the old config measured on still measures
        source = replace(source, answer=source.answer | {"validation": AUTO})
    return _with_set(source, "held_out", held)


def _with_set(source: RowSource, key: str, rows: RowSource) -> RowSource:
    """Return the rows with those of a set of their own: ``validation`` or ``held_out``."""
    prefix = key.replace("_", "-")
    files = {
        f"{prefix}-{name}" if name in source.files else name: path
        for name, path in rows.files.items()
    }
    answer = source.answer | {key: list(files)}
    return replace(source, answer=answer, files={**source.files, **files})


def _from_cloud(plan: MigrationPlan, address: str) -> RowSource:
    """Describe rows that only the job sees, by what the old file says about them."""
    task, turns = plan.answers.get("task", "qa"), plan.turns
    assert turns is not None
    if task != "qa":
        raise ScaffoldError(
            f"A task {task} needs a look at the rows, and they are in the cloud.",
            where="--task",
            fix="--task qa, or --data with a copy of them",
        )
    name = plain_name(unquote(address.rpartition("/")[2]))
    found = Guess("qa", "", tuple(columns_of(turns.user)), turns.user, turns.assistant)
    answer = found.answer([name], plan.values.get(HELD_OUT, HELD_OUT_FRACTION))
    summary = f"the rows stay in Azure: {address}; the job finds them as {name}"
    return RowSource("qa", answer, summary)


def written_down(rows: AbsentRows, old: str) -> str:
    """Return what dataset.yaml says of rows that sample rows stand in for, as its comment.

    Args:
        old: the config that named them.
    """
    import yaml

    again = f"`phi3scaffold migrate {old} DIR --data ROWS` makes a project with your copy of them"
    if dataset_hub.is_hub_id(rows.name.split(",")[0]):
        again = f"once the hub answers, `phi3scaffold migrate {old} DIR` makes a project with them"
    lines = [
        f"Sample rows stand in for {rows.name}, which {rows.reason}.",
        f"{again[0].upper()}{again[1:]}.",
    ]
    if rows.turns:
        turns = [{"user": rows.turns.user}, {"assistant": rows.turns.assistant}]
        known: dict[str, object] = {"turns": turns}
        if rows.turns.system:
            known["system"] = rows.turns.system
        if rows.held_out is not None:
            known["held_out"] = rows.held_out
        lines.append("Or put them into this folder, name them under `files`, and write here:")
        text = yaml.safe_dump(known, sort_keys=False, allow_unicode=True, width=1000)
        lines += [f"  {line}" for line in text.splitlines()]
    return "".join(f"# {line}\n" for line in lines)
