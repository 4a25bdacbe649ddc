"""Rows become conversations: columns fill the turns of dataset.yaml, or hold whole ones."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from phi3scaffold.datasets.cell_text import cell_text, label_key
from phi3scaffold.datasets.dataset_error import NAME_COLUMNS, YAML, DatasetError
from phi3scaffold.datasets.formats.json_errors import kind_of_value
from phi3scaffold.datasets.labels import NO_TEXT, no_label
from phi3scaffold.datasets.message_format import TOOL, Messages
from phi3scaffold.datasets.reader import Row
from phi3scaffold.datasets.spec import DatasetSpec
from phi3scaffold.datasets.tool_calls import definitions
from phi3scaffold.datasets.turns import (
    column_value,
    content_text,
    list_in_text,
    read_turns,
)
from phi3scaffold.models.column_templates import Message, columns_of, fill
from phi3scaffold.models.prompt import Prompt
from phi3scaffold.models.tool_template import uses_tools
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.near_names import near_names

HEADER_AGAIN = "the header again"
ALIKE = 0.8  # a column is taken for a misspelling of one that a row lacks, not for another


@dataclass(frozen=True)
class Conversation:
    """One row, ready to be rendered.

    Attributes:
        place: ``file:line`` it came from.
        messages: turns, each ``{"role": ..., "content": ...}``, with ``tool_calls`` where it
            calls tools; the last is the assistant's, and is learned.
        values: the columns that filled the user turn ({} where the row held whole messages).
        spelling: how the row writes its label, where that is not the label itself.
        shown: the numbers of the assistant's turns that are shown and not learned.
        tools: the definitions of the tools that it may call.
        notes: what was changed or decided in reading the row, a word for each time.
        rendered_answer: the last turn as the chat template writes it, where it calls tools.
    """

    place: str
    messages: list[Message]
    values: dict[str, str]
    spelling: str = ""
    shown: tuple[int, ...] = ()
    tools: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    rendered_answer: str = ""

    @property
    def answer(self) -> str:
        return self.rendered_answer or str(self.messages[-1]["content"])

    @property
    def learned(self) -> list[int]:
        """The numbers of the turns that are learned."""
        answers = [n for n, turn in enumerate(self.messages) if turn["role"] == "assistant"]
        return [number for number in answers if number not in self.shown]

    @property
    def has_tools(self) -> bool:
        """Whether it defines, calls or hears tools."""
        return uses_tools(self.messages, self.tools)


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
    if repeats_header(row):
        return DroppedRow(row.place, HEADER_AGAIN)
    if spec.messages:
        return _whole(row, spec, spec.messages)
    return _filled(row, spec)


def repeats_header(row: Row) -> bool:
    """Return whether a row holds the names of its columns, as where files are put together."""
    values = row.values.items()
    return len(values) > 1 and all(
        isinstance(value, str) and value.lstrip("\ufeff").strip() == name for name, value in values
    )


@dataclass(frozen=True)
class OpenConversation:
    """A conversation to be answered: up to the turn before the answer.

    Attributes:
        messages: the turns.
        tools: the definitions of the tools that it may call.
        expected: the answer that the row has, if any.
    """

    messages: list[Message]
    tools: tuple[dict[str, Any], ...] = ()
    expected: str | None = None


def split_answer(row: Row, form: Messages, prompt: Prompt) -> OpenConversation:
    """Return the conversation of a row without its last answer, for a model with `prompt`.

    Raises:
        ScaffoldError: the row holds no such turns.
    """
    turns = read_turns(row, form)
    turns.begin()
    expected = None
    if turns.messages and turns.messages[-1]["role"] == "assistant":
        expected = turns.messages.pop()["content"]
    answer: Message = {"role": "assistant", "content": ""}
    _refuse_disorder([*turns.messages, answer], [*turns.places, row.place], row)
    system = system_text(row, prompt.system, prompt.system_columns)
    return OpenConversation(_with_system(turns.messages, system), _tools(row, form), expected)


def open_question(row: Row, history: str | None, prompt: Prompt) -> OpenConversation:
    """Return the conversation that a row of columns asks to be answered.

    Raises:
        ScaffoldError: a column is missing or no text, or all of the user turn are empty.
    """
    values = values_of(row, prompt.user_columns)
    system = system_text(row, prompt.system, prompt.system_columns)
    user: Message = {"role": "user", "content": fill(prompt.user, values)}
    earlier = _history(row, history, prompt.user)
    return OpenConversation(_with_system([*earlier, user], system))


def turn_text(turn: Message) -> str:
    """Return what a turn says: its content, and its calls of tools as JSON."""
    calls = [
        json.dumps(call["function"], ensure_ascii=False) for call in turn.get("tool_calls", ())
    ]
    return "\n".join([turn["content"], *calls]) if calls else str(turn["content"])


def values_of(row: Row, columns: tuple[str, ...]) -> dict[str, str]:
    """Return those columns' texts.

    Raises:
        ScaffoldError: one is missing or no text, or all are empty.
    """
    found = _user_values(row, columns)
    if not any(map(str.strip, found.values())):
        raise ScaffoldError(
            "The row has no text to answer.", where=row.place, fix="correct the row"
        )
    return found


def system_columns(system: str | None) -> tuple[str, ...]:
    """Return the columns that a system text names; braces around JSON name none."""
    return tuple(name for name in columns_of(system or "") if not set(name) & set("\"':,"))


def system_text(row: Row, system: str | None, columns: tuple[str, ...]) -> str:
    """Return a row's system text; "" where it has none, or its columns are empty.

    Raises:
        ScaffoldError: a column holds no text.
    """
    values = {name: _system_value(row, name) for name in columns}
    if columns and not any(map(str.strip, values.values())):
        return ""
    return fill(system or "", values)


def _system_value(row: Row, column: str) -> str:
    try:
        return content_text(row.values.get(column))
    except ScaffoldError as error:
        what = f"The column {column!r}, which system names: {error.what}"
        raise ScaffoldError(what, where=row.place, fix=error.fix) from None


def _filled(row: Row, spec: DatasetSpec) -> Conversation | DroppedRow:
    prompt = _user_values(row, columns_of(spec.user))
    answers = {name: _text(row, name, "turns") for name in columns_of(spec.assistant)}
    missing = [name for name, text in prompt.items() if _is_missing(text, prompt=True)]
    prompt |= dict.fromkeys(missing, "")
    no_answer = not spec.labels and any(map(_is_missing, answers.values()))
    if no_answer or not all(map(str.strip, answers.values())):
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
    earlier = _history(row, spec.history, spec.user)
    messages = [
        *earlier,
        {"role": "user", "content": fill(spec.user, prompt)},
        {"role": "assistant", "content": answer},
    ]
    notes = ["history"] * (len(earlier) // 2) + ["missing"] * len(missing)
    messages = _with_system(messages, system_text(row, spec.system, system_columns(spec.system)))
    plain = not spec.labels or label_key(spelling) == label_key(answer)
    return Conversation(row.place, messages, prompt, "" if plain else spelling, notes=tuple(notes))


def _is_missing(text: str, *, prompt: bool = False) -> bool:
    """Return whether a program wrote the text in place of a missing one: nan, <NA>, R's NA."""
    return text.strip().casefold() in NO_TEXT or (prompt and text.strip() == "NA")


def _user_values(row: Row, columns: tuple[str, ...]) -> dict[str, str]:
    """Return the texts of the user turn's columns; of several, one that a row lacks is empty."""
    there = any(name in row.values for name in columns)
    others = [str(name) for name in row.values if name not in columns]
    return {
        name: ""
        if there and name not in row.values and not near_names(name, others, ALIKE)
        else _text(row, name, "turns")
        for name in columns
    }


def _history(row: Row, column: str | None, user: str) -> list[Message]:
    """Return the earlier turns of a row of columns: Alpaca's pairs of question and answer."""
    value = row.values.get(column) if column else None
    if isinstance(value, str):
        value = (list_in_text(value) or value) if value.strip() not in ("", "[]") else None
    pairs = [] if value is None else value
    messages: list[Message] = []
    first, *others = columns_of(user)
    for pair in pairs if isinstance(pairs, list) else [pairs]:
        texts = list(map(cell_text, pair)) if isinstance(pair, list) else []
        if len(texts) != 2 or not all(texts):
            raise ScaffoldError(
                f"The column {column!r} must be a list of pairs of question and answer.",
                where=row.place,
                fix='write it as [["question", "answer"], ...], with neither empty',
            )
        question = fill(user, {first: str(texts[0]), **dict.fromkeys(others, "")})
        messages.append({"role": "user", "content": question})
        messages.append({"role": "assistant", "content": str(texts[1])})
    return messages


def _text(row: Row, column: str, key: str) -> str:
    """Return a column's text, "" where it has none; `key` is where dataset.yaml names it."""
    value = column_value(row, column, key)
    text = cell_text(value)
    if text is not None:
        return text
    remedy = "write its text into a column of its own"
    raise DatasetError(
        f"The column {column!r} holds {kind_of_value(value)}, not text.",
        where=row.place,
        fix=f"{remedy}, and name that in {key} in {YAML}",
        at_new=f"{remedy}, {NAME_COLUMNS}",
    )


def _unknown_label(row: Row, answer: str, spec: DatasetSpec) -> ScaffoldError:
    near = near_names(answer, spec.labels)
    return DatasetError(
        f"The label {answer!r:.100} is not one of: {', '.join(spec.labels)}.",
        where=row.place,
        fix=f"did you mean {near[0]!r}? Otherwise add it to labels in {YAML}"
        if near
        else f"correct the row, or add the label to labels in {YAML}",
        at_new=f"did you mean {near[0]!r}? Correct the row" if near else "correct the row",
    )


def _whole(row: Row, spec: DatasetSpec, form: Messages) -> Conversation | DroppedRow:
    turns = read_turns(row, form)
    turns.begin()
    roles = {turn["role"] for turn in turns.messages}
    if "assistant" in roles and "user" not in roles:
        return DroppedRow(row.place, "no user turn")
    if turns.messages and all(
        number in turns.shown
        for number, turn in enumerate(turns.messages)
        if turn["role"] == "assistant"
    ):
        if turns.shown:
            return DroppedRow(row.place, "no turn that is learned")
        _refuse_disorder(turns.messages, turns.places, row)
    turns.cut()
    _refuse_disorder(turns.messages, turns.places, row)
    for name, role in (("answer", "assistant"), ("prompt", "user")):
        if any(_is_empty(turn) for turn in turns.messages if turn["role"] == role):
            return DroppedRow(row.place, f"empty {name}")
    notes = [*turns.notes, *turns.shown.values()]
    system = system_text(row, spec.system, system_columns(spec.system))
    messages = _with_system(turns.messages, system)
    if system_columns(spec.system) and system not in ("", messages[0]["content"]):
        notes.append("own system")
    moved = len(messages) - len(turns.messages)
    shown = tuple(number + moved for number in turns.shown)
    tools = _tools(row, form)
    return Conversation(row.place, messages, {}, shown=shown, tools=tools, notes=tuple(notes))


def _is_empty(turn: Message) -> bool:
    return not turn["content"].strip() and not turn.get("tool_calls")


def _tools(row: Row, form: Messages) -> tuple[dict[str, Any], ...]:
    return tuple(definitions(row.values.get(form.tools), form.tools, row.place))


def _refuse_disorder(messages: list[Message], places: list[str], row: Row) -> None:
    """Refuse turns that do not go user, assistant, user, assistant.

    System turns may stand anywhere, and what tools answer behind a turn that calls them.
    """
    wanted: tuple[str, ...] = ("user",)
    spoken = 0
    for message, place in zip(messages, places, strict=False):
        role = message["role"]
        if role == "system":
            continue
        spoken += 1
        if role not in wanted:
            raise ScaffoldError(
                f"The turns must alternate user, assistant, user, assistant: this one is "
                f"{role}, not {' or '.join(wanted)}.",
                where=place,
                fix="remove the row, or add the missing turn",
            )
        wanted = ("assistant", TOOL) if role == TOOL else ("assistant",)
        if role == "assistant":
            wanted = (TOOL, "user") if message.get("tool_calls") else ("user",)
    if not spoken or messages[-1]["role"] != "assistant":
        no_answer = "The conversation has no assistant turn."
        what = no_answer if spoken else "The conversation has no turns."
        raise ScaffoldError(what, where=row.place, fix="add the answer, or remove the row")


def _with_system(messages: list[Message], system: str) -> list[Message]:
    """Put the system turn first, unless the row has its own."""
    if not system.strip() or (messages and messages[0]["role"] == "system"):
        return messages
    return [{"role": "system", "content": system}, *messages]
