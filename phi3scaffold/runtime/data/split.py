"""Train and held-out rows: given as files, or a seeded share, stratified by label."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass

from phi3scaffold.errors import ScaffoldError
from phi3scaffold.rows.read import read_rows
from phi3scaffold.rows.spec import DatasetSpec
from phi3scaffold.rows.turns import Conversation, Dropped, conversations


@dataclass(frozen=True)
class Splits:
    """The kept rows of both sides, and what was dropped."""

    train: list[Conversation]
    held_out: list[Conversation]
    dropped: list[Dropped]


def load_splits(spec: DatasetSpec) -> Splits:
    """Read, check and split the rows that dataset.yaml names.

    Raises:
        ScaffoldError: see `read_rows` and `conversations`; also when a side ends up empty, or
            a classification has only one label.
    """
    train, dropped = conversations(read_rows(spec.train), spec)
    if isinstance(spec.held_out, tuple):
        held_out, more = conversations(read_rows(spec.held_out), spec)
        dropped += more
        known = {_prompt_key(row) for row in train}
        leaked = [row for row in held_out if _prompt_key(row) in known]
        dropped += [Dropped(row.place, "held-out row also in train") for row in leaked]
        held_out = [row for row in held_out if _prompt_key(row) not in known]
    else:
        train, held_out = _share(train, spec)
    for side, rows in (("train", train), ("held_out", held_out)):
        if not rows:
            raise ScaffoldError(
                f"No row is left for {side}.",
                where=f"{spec.path}: files.{side}",
                fix="`phi3scaffold data` says which rows were dropped and why",
            )
    if spec.task == "classify":
        found = sorted({row.answer for row in train})
        if len(found) < 2:
            raise ScaffoldError(
                f"Every training row has the same label, {found[0]!r}: there is nothing to learn.",
                where=spec.train[0],
                fix="add rows of at least one other label",
            )
    return Splits(train, held_out, dropped)


def _prompt_key(row: Conversation) -> str:
    asked = (m["content"] for m in row.messages if m["role"] == "user")
    return "\x1f".join(" ".join(text.lower().split()) for text in asked)


def _share(
    rows: list[Conversation], spec: DatasetSpec
) -> tuple[list[Conversation], list[Conversation]]:
    """Hold out a share of each label, seeded; rows with the same prompt stay together."""
    assert isinstance(spec.held_out, float)
    groups: dict[str, list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        groups[_prompt_key(row)].append(index)
    strata: dict[str, list[list[int]]] = defaultdict(list)
    for members in groups.values():
        label = rows[members[0]].answer if spec.task == "classify" else ""
        strata[label].append(members)
    chosen: set[int] = set()
    for label in sorted(strata):
        candidates = strata[label]
        random.Random(f"{spec.seed}:{label}").shuffle(candidates)
        wanted = round(spec.held_out * sum(map(len, candidates)))
        taken = 0
        for members in candidates:
            if taken >= wanted:
                break
            chosen.update(members)
            taken += len(members)
    train = [row for index, row in enumerate(rows) if index not in chosen]
    held_out = [row for index, row in enumerate(rows) if index in chosen]
    return train, held_out
