"""Rows become conversations: columns fill the turns of dataset.yaml."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

from phi3scaffold.datasets.cell_text import cell_text, label_key
from phi3scaffold.datasets.formats.json import kind_of_value
from phi3scaffold.datasets.labels import no_label
from phi3scaffold.datasets.reader import Row
from phi3scaffold.datasets.spec import ROLES, DatasetSpec, Messages
from phi3scaffold.models.column_templates import Message, columns_of, fill
from phi3scaffold.project.errors import ScaffoldError

YAML = "datasets/dataset.yaml"


@dataclass(frozen=True)
class Conversation:
    """One row, ready to be rendered.

    Attributes:
        place: ``file:line`` it came from.
        messages: turns, each ``{"role": ..., "content": ...}``; the last is the assistant's.
        values: the columns that filled the user turn ({} where the row held whole messages).
        spelling: how the row writes its label, where that is not the label itself.
    """

    place: str
    messages: list[Message]
    values: dict[str, str]
    spelling: str = ""

    @property
    def answer(self) -> str:
        return self.messages[-1]["content"]


@dataclass(frozen=True)
class DroppedRow:
    """A row that is left out, where it stood, and why."""

    place: str
    reason: str


def conversation(row: Row, spec: DatasetSpec) -> Conversation | DroppedRow:
    """Turn a row into a conversation, or say why it is left out.

    Raises:
        ScaffoldError: a column is missing, a value is not text, a label is unknown, or the
            roles of a conversation do not alternate.
    """
    if spec.messages:
        return _whole(row, spec, spec.messages)
    return _filled(row, spec)


def split_answer(row: Row, form: Messages) -> tuple[list[Message], str | None]:
    """Return the turns of a row up to the user's last, and the answer behind them where it has one.

    Raises:
        ScaffoldError: the row holds no such turns.
    """
    turns = _turns(row, form)
    if turns and turns[-1]["role"] == "assistant":
        _refuse_disorder(turns, row)
        return turns[:-1], turns[-1]["content"]
    _refuse_disorder([*turns, {"role": "assistant", "content": ""}], row)
    return turns, None


def values_of(row: Row, columns: tuple[str, ...]) -> dict[str, str]:
    """Return those columns' texts.

    Raises:
        ScaffoldError: one is missing or no text, or all are empty.
    """
    found = {name: _text(row, name, "turns") for name in columns}
    if not any(map(str.strip, found.values())):
        raise ScaffoldError("The row has no text to answer.", where=row.place, fix="mend the row")
    return found


def _filled(row: Row, spec: DatasetSpec) -> Conversation | DroppedRow:
    prompt = {name: _text(row, name, "turns") for name in columns_of(spec.user)}
    answers = {name: _text(row, name, "turns") for name in columns_of(spec.assistant)}
    if not all(map(str.strip, answers.values())):
        return DroppedRow(row.place, "empty answer")
    if not any(map(str.strip, prompt.values())):
        return DroppedRow(row.place, "empty prompt")
    answer = spelling = fill(spec.assistant, answers)
    if spec.labels:
        label = spec.label_of(spelling)
        if label is None:
            raise _unknown_label(row, spelling, spec)
        if not label:
            return DroppedRow(row.place, no_label(spelling))
        answer = label
    messages = [
        {"role": "user", "content": fill(spec.user, prompt)},
        {"role": "assistant", "content": answer},
    ]
    messages = _with_system(messages, spec.system)
    plain = not spec.labels or label_key(spelling) == label_key(answer)
    return Conversation(row.place, messages, prompt, "" if plain else spelling)


def _text(row: Row, column: str, key: str) -> str:
    """Return a column's text, "" where it has none; `key` is where dataset.yaml names it."""
    value = _value(row, column, key)
    text = cell_text(value)
    if text is not None:
        return text
    fix = f"write its text into a column of its own, and name that in {key} in {YAML}"
    what = f"The column {column!r} holds {kind_of_value(value)}, not text."
    raise ScaffoldError(what, where=row.place, fix=fix)


def _value(row: Row, column: str, key: str) -> Any:
    if column in row.values:
        return row.values[column]
    names = [str(name) for name in row.values]
    same = [name for name in names if name.lower() == column.lower()]
    near = same or difflib.get_close_matches(column, names, 1)
    have = ", ".join(names[:20]) or "none"
    raise ScaffoldError(
        f"The row lacks the column {column!r}; it has: {have}.",
        where=row.place,
        fix=f"did you mean {near[0]!r}? Mend {key} in {YAML}, or the row"
        if near
        else f"mend the row, or {key} in {YAML}",
    )


def _unknown_label(row: Row, answer: str, spec: DatasetSpec) -> ScaffoldError:
    same = [label for label in spec.labels if label.lower() == answer.strip().lower()]
    near = same or difflib.get_close_matches(answer, spec.labels, 1)
    return ScaffoldError(
        f"The label {answer!r:.100} is not one of: {', '.join(spec.labels)}.",
        where=row.place,
        fix=f"did you mean {near[0]!r}? Otherwise add it to labels in {YAML}"
        if near
        else f"mend the row, or add the label to labels in {YAML}",
    )


def _whole(row: Row, spec: DatasetSpec, form: Messages) -> Conversation | DroppedRow:
    turns = _turns(row, form)
    _refuse_disorder(turns, row)
    for name, role in (("answer", "assistant"), ("prompt", "user")):
        if not all(turn["content"].strip() for turn in turns if turn["role"] == role):
            return DroppedRow(row.place, f"empty {name}")
    if turns[0]["role"] != "system":
        turns = _with_system(turns, spec.system)
    return Conversation(row.place, turns, {})


def _turns(row: Row, form: Messages) -> list[Message]:
    listed = _value(row, form.column, "messages")
    if not isinstance(listed, list):
        raise ScaffoldError(
            f"The column {form.column!r} holds {kind_of_value(listed)}, not a list of turns.",
            where=row.place,
            fix=f'write it as [{{"{form.role}": "user", "{form.content}": "..."}}, ...]',
        )
    return [_turn(turn, row, index, form) for index, turn in enumerate(listed, 1)]


def _turn(turn: Any, row: Row, number: int, form: Messages) -> Message:
    where = f"{row.place}: turn {number}"
    example = f'{{"{form.role}": "user", "{form.content}": "..."}}'
    if not isinstance(turn, dict):
        what = f"The turn is {kind_of_value(turn)}."
        raise ScaffoldError(what, where=where, fix=f"write it as {example}")
    for key in (form.role, form.content):
        if key not in turn:
            near = difflib.get_close_matches(key, map(str, turn), 1)
            raise ScaffoldError(
                f"The turn lacks {key!r}; it has: {', '.join(map(str, turn)) or 'nothing'}.",
                where=where,
                fix=(f"did you mean {near[0]!r}? " if near else "")
                + f"Write it as {example}, or mend messages in {YAML}",
            )
    role, content = turn[form.role], turn[form.content]
    name = form.names.get(role, role) if isinstance(role, str) else None
    if name not in ROLES:
        known = ", ".join((*form.names, *ROLES))
        raise ScaffoldError(
            f"Nobody is called {role!r:.100} here; known are: {known}.",
            where=where,
            fix=f"mend the row, or say who that is under messages.names in {YAML}",
        )
    text = cell_text(content)
    if text is None:
        what = f"{form.content!r} holds {kind_of_value(content)}, not text."
        raise ScaffoldError(what, where=where, fix="write its text in its place")
    return {"role": name, "content": text}


def _refuse_disorder(turns: list[Message], row: Row) -> None:
    """Refuse turns other than a system turn at most, then user and assistant in turn."""
    roles = [turn["role"] for turn in turns]
    spoken = roles[1:] if roles[:1] == ["system"] else roles
    for index, role in enumerate(spoken):
        wanted = ROLES[1 + index % 2]
        if role != wanted:
            number = len(roles) - len(spoken) + index + 1
            raise ScaffoldError(
                f"The turns must go user, assistant, user, assistant: here stands {role}, "
                f"not {wanted}.",
                where=f"{row.place}: turn {number}",
                fix="join turns of the same speaker, or take the row out",
            )
    if len(spoken) % 2 or not spoken:
        no_answer = "The conversation must end with a turn of the assistant."
        what = no_answer if spoken else "The conversation has no turns."
        raise ScaffoldError(what, where=row.place, fix="add the answer, or take the row out")


def _with_system(messages: list[Message], system: str | None) -> list[Message]:
    return [{"role": "system", "content": system}, *messages] if system else messages
