"""`phi3scaffold data`: read, check and split the rows."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from phi3scaffold.project import Project
from phi3scaffold.rows.spec import load_spec
from phi3scaffold.rows.turns import Conversation
from phi3scaffold.runtime.data.split import load_splits
from phi3scaffold.runtime.pipeline.stage import Context, Inputs, Stage

TRAIN = "train.jsonl"
HELD_OUT = "held-out.jsonl"
DROPPED = "dropped.jsonl"


def folder(project: Project) -> Path:
    return project.gen / "data"


def inputs(project: Project) -> Inputs:
    spec = load_spec(project.dataset_yaml)
    return Inputs(files=(project.dataset_yaml, *spec.files))


def run(context: Context) -> dict[str, Any]:
    """Write the conversations of both sides and the dropped rows, one JSON object a line."""
    spec = load_spec(context.project.dataset_yaml)
    splits = load_splits(spec)
    _write(context.out / TRAIN, map(_record, splits.train))
    _write(context.out / HELD_OUT, map(_record, splits.held_out))
    dropped = [{"place": row.place, "reason": row.reason} for row in splits.dropped]
    _write(context.out / DROPPED, dropped)
    facts: dict[str, Any] = {
        "task": spec.task,
        "train": len(splits.train),
        "held_out": len(splits.held_out),
        "dropped": dict(Counter(row["reason"] for row in dropped)),
    }
    if spec.task == "classify":
        facts["labels"] = dict(sorted(Counter(row.answer for row in splits.train).items()))
    return facts


def _record(row: Conversation) -> dict[str, Any]:
    return {"place": row.place, "messages": row.messages, "values": row.values}


def _write(path: Path, records: Any) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as lines:
        for record in records:
            lines.write(json.dumps(record, ensure_ascii=False) + "\n")


def read_held_out(project: Project, most: int | None = None) -> list[Conversation]:
    """The held-out conversations of the published data folder, at most `most`."""
    rows: list[Conversation] = []
    with (folder(project) / HELD_OUT).open(encoding="utf-8") as lines:
        for line in lines:
            if most is not None and len(rows) >= most:
                break
            record = json.loads(line)
            rows.append(Conversation(record["place"], record["messages"], record["values"]))
    return rows


STAGE = Stage(
    name="data",
    title="reading the rows",
    folder=folder,
    inputs=inputs,
    run=run,
)
