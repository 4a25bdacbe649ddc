"""Rows become conversations: columns fill the turns of dataset.yaml."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from phi3scaffold.errors import ScaffoldError
from phi3scaffold.rows.read import Row
from phi3scaffold.rows.spec import DatasetSpec

Message = dict[str, str]
COLUMN = re.compile(r"\{([^{}]+)\}")
ROLES = ("system", "user", "assistant")


@dataclass(frozen=True)
class Conversation:
    """One row, ready to be rendered.

    Attributes:
        place: ``file:line`` it came from.
        messages: turns, each ``{"role": ..., "content": ...}``; the last is the assistant's.
        values: the columns that filled the user turn ({} where the row held whole messages).
    """

    place: str
    messages: list[Message]
    values: dict[str, str]

    @property
    def answer(self) -> str:
        return self.messages[-1]["content"]


@dataclass(frozen=True)
class Dropped:
    """A row that is left out, where it stood, and why."""

    place: str
    reason: str


def columns_of(template: str) -> tuple[str, ...]:
    """The columns a turn names, in order, each once."""
    return tuple(dict.fromkeys(COLUMN.findall(template)))


def fill(template: str, values: dict[str, str]) -> str:
    """Put the columns into the turn; braces that name no column stay as they are."""
    return COLUMN.sub(lambda m: values.get(m.group(1), m.group(0)), template)


def conversation(row: Row, spec: DatasetSpec) -> Conversation | Dropped:
    """One row as a conversation, or why it is left out.

    Raises:
        ScaffoldError: a column is missing, a value is not text, a label is unknown, or the
            roles of a conversation do not alternate.
    """
    return _whole(row, spec) if spec.messages else _filled(row, spec)


def conversations(
    rows: Iterable[Row], spec: DatasetSpec
) -> tuple[list[Conversation], list[Dropped]]:
    """Every row as a conversation; empty and doubled rows are dropped and said.

    Raises:
        ScaffoldError: a column is missing, a value is not text, a label is unknown, or the
            roles of a conversation do not alternate.
    """
    kept: list[Conversation] = []
    dropped: list[Dropped] = []
    seen: set[str] = set()
    for row in rows:
        made = conversation(row, spec)
        if isinstance(made, Dropped):
            dropped.append(made)
            continue
        key = "\x1f".join(" ".join(m["content"].lower().split()) for m in made.messages)
        if key in seen:
            dropped.append(Dropped(row.place, "the same as an earlier row"))
            continue
        seen.add(key)
        kept.append(made)
    return kept, dropped


def _filled(row: Row, spec: DatasetSpec) -> Conversation | Dropped:
    names = (*columns_of(spec.user), *columns_of(spec.assistant))
    values = {name: _text(row, name) for name in dict.fromkeys(names)}
    if any(not values[name].strip() for name in columns_of(spec.assistant)):
        return Dropped(row.place, "empty answer")
    if columns_of(spec.user) and all(not values[n].strip() for n in columns_of(spec.user)):
        return Dropped(row.place, "empty prompt")
    answer = fill(spec.assistant, values)
    if spec.labels and answer not in spec.labels:
        near = difflib.get_close_matches(answer, spec.labels, 1)
        raise ScaffoldError(
            f"The label {answer!r} is not one of: {', '.join(spec.labels)}.",
            where=row.place,
            fix=f"did you mean {near[0]!r}? Otherwise add it to labels in {spec.path}"
            if near
            else f"mend the row, or add the label in {spec.path}",
        )
    messages = [
        {"role": "user", "content": fill(spec.user, values)},
        {"role": "assistant", "content": answer},
    ]
    asked = {name: values[name] for name in columns_of(spec.user)}
    return Conversation(row.place, _with_system(messages, spec.system), asked)


def _text(row: Row, column: str) -> str:
    if column not in row.values:
        near = difflib.get_close_matches(column, map(str, row.values), 1)
        have = ", ".join(map(str, row.values)) or "none"
        raise ScaffoldError(
            f"The row lacks the column {column!r}; it has: {have}.",
            where=row.place,
            fix=f"did you mean {near[0]!r}? Mend turns in datasets/dataset.yaml"
            if near
            else "mend the row, or turns in datasets/dataset.yaml",
        )
    value = row.values[column]
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ScaffoldError(
            f"The column {column!r} holds {type(value).__name__}, not text.",
            where=row.place,
            fix="write it as text (in quotes)",
        )
    return value


def _whole(row: Row, spec: DatasetSpec) -> Conversation | Dropped:
    column = spec.messages or "messages"
    if column not in row.values:
        _text(row, column)  # raises, with the near name
    messages = row.values[column]
    if not isinstance(messages, list) or not messages:
        raise ScaffoldError(f"The column {column!r} must be a list of turns.", where=row.place)
    turns = [_turn(message, row, index) for index, message in enumerate(messages)]
    if not any(turn["role"] == "system" for turn in turns):
        turns = _with_system(turns, spec.system)
    spoken = [turn["role"] for turn in turns if turn["role"] != "system"]
    expected = [("user", "assistant")[i % 2] for i in range(len(spoken))]
    if spoken != expected or turns[-1]["role"] != "assistant":
        raise ScaffoldError(
            f"The turns must go user, assistant, ... and end with assistant, not: "
            f"{', '.join(spoken)}.",
            where=row.place,
        )
    if not turns[-1]["content"].strip():
        return Dropped(row.place, "empty answer")
    return Conversation(row.place, turns, {})


def _turn(message: Any, row: Row, index: int) -> Message:
    if (
        not isinstance(message, dict)
        or message.get("role") not in ROLES
        or not isinstance(message.get("content"), str)
    ):
        raise ScaffoldError(
            'A turn must be {"role": "system|user|assistant", "content": "text"}.',
            where=f"{row.place}: turn {index + 1}",
        )
    return {"role": message["role"], "content": message["content"]}


def _with_system(messages: list[Message], system: str | None) -> list[Message]:
    return [{"role": "system", "content": system}, *messages] if system else messages
