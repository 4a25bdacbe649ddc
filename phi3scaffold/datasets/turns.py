"""The turns of a row that holds a whole conversation: who speaks, what is said, what is learned."""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass, field
from typing import Any

from phi3scaffold.datasets.cell_text import cell_text
from phi3scaffold.datasets.dataset_error import NAME_COLUMNS, YAML, DatasetError
from phi3scaffold.datasets.formats.byte_stream import shown
from phi3scaffold.datasets.formats.json_errors import kind_of_value
from phi3scaffold.datasets.message_format import KNOWN_NAMES, TOOL, TOOL_CALL, Messages
from phi3scaffold.datasets.normalization import lacks_header
from phi3scaffold.datasets.reader import Row
from phi3scaffold.datasets.tool_calls import calls_in_text, calls_of
from phi3scaffold.models.column_templates import Message
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.near_names import near_names

LONGEST_LITERAL = 1 << 20  # letters; Python's parser takes much memory for each

# Keys of a turn that say whether it is learned: OpenAI's, Axolotl's, LLaMA-Factory's.
FLAGS = ("weight", "train", "training", "loss")
HIDING_FLAGS = ("masked",)  # torchtune's: true where it is not learned
SPELLED = {"0": 0, "0.0": 0, "false": False, "1": 1, "1.0": 1, "true": True}
CALLS = ("tool_calls", "function_call")
# Keys that would change what is learned, and are not supported.
REFUSED_KEYS = ("train_detail", "training_detail", "loss_scale", "loss_weight")
TURN_KEYS = (*FLAGS, *HIDING_FLAGS, *CALLS)
TOOL_KEYS = ("name", "tool_call_id")  # of a turn that says what a tool answers
TEXT_PARTS = (None, "text", "input_text", "output_text")


@dataclass
class RowTurns:
    """A row's turns.

    Attributes:
        messages: each ``{"role", "content"}``, with ``tool_calls`` where it calls tools.
        places: where each stands.
        shown: the assistant's turns that are shown and not learned: number -> why.
        notes: what was changed in reading them, a word for each time.
    """

    messages: list[Message] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    shown: dict[int, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, message: Message, hidden: str, place: str) -> None:
        """Append a turn, joined with the one before where the same speaker goes on.

        Raises:
            ScaffoldError: one of the two is learned and the other is not.
        """
        number = len(self.messages)
        answers = message["role"] == "assistant"
        last = self.messages[-1] if self.messages else None
        if last is None or last["role"] != message["role"] or message["role"] == TOOL:
            self.messages.append(message)
            self.places.append(place)
            if answers and hidden:
                self.shown[number] = hidden
            return
        if answers and (number - 1 in self.shown) != bool(hidden):
            raise ScaffoldError(
                "Two assistant turns follow each other, but only one is to be learned.",
                where=place,
                fix="remove one of them",
            )
        texts = (last["content"], message["content"])
        last["content"] = "\n\n".join(text for text in texts if text)
        calls = [*last.get("tool_calls", ()), *message.get("tool_calls", ())]
        if calls:
            last["tool_calls"] = calls
        else:
            self.notes.append("joined")

    def begin(self) -> None:
        """Take out what the assistant says before the user: nothing was asked, and many templates
        refuse it.
        """
        roles = [message["role"] for message in self.messages]
        if "user" not in roles:
            return
        before = {n for n in range(roles.index("user")) if roles[n] == "assistant"}
        if not before or any(self.messages[n].get("tool_calls") for n in before):
            return
        kept = [n for n in range(len(roles)) if n not in before]
        self.messages = [self.messages[n] for n in kept]
        self.places = [self.places[n] for n in kept]
        self.shown = {kept.index(n): why for n, why in self.shown.items() if n in kept}
        self.notes += ["greeting"] * len(before)

    def cut(self) -> None:
        """Take out what stands behind the last learned answer: it can never matter."""
        while self.messages and not self.is_learned(len(self.messages) - 1):
            self.messages.pop()
            self.shown.pop(len(self.messages), None)
            self.notes.append("cut")

    def is_learned(self, number: int) -> bool:
        return self.messages[number]["role"] == "assistant" and number not in self.shown


def read_turns(row: Row, form: Messages) -> RowTurns:
    """Return the turns of a row, those of its prompt column first.

    Raises:
        ScaffoldError: a column is missing or holds no list of turns, or a turn cannot be read.
    """
    turns = RowTurns()
    for column in (form.prompt, form.column):
        if column is None:
            continue
        listed, was_text = _listed(row, column, form)
        if was_text:
            turns.notes.append("text")
        for number, turn in enumerate(listed, 1):
            within = f"{column}: " if form.prompt else ""
            place = f"{row.place}: {within}turn {number}"
            message, hidden = _turn(turn, place, form, turns)
            turns.add(message, "prompt" if column == form.prompt else hidden, place)
    return turns


def column_value(row: Row, column: str, key: str) -> Any:
    """Return a column's value; `key` is where dataset.yaml names it. Raises ScaffoldError."""
    if column in row.values:
        return row.values[column]
    names = list(map(str, row.values))
    have, near = ", ".join(names[:20]) or "none", near_names(column, names)
    if not near and row.file.is_file() and lacks_header(row.file):
        raise ScaffoldError(
            "The file has no header: its first row is a row like the others.",
            where=shown(row.file),
            fix=f"put a line with the columns' names above it, {column} among them "
            "(`phi3scaffold new --data` writes one)",
        )
    meant = f"did you mean {near[0]!r}? Correct" if near else "correct"
    raise DatasetError(
        f"The row lacks the column {column!r}; it has: {have}.",
        where=row.place,
        fix=f"did you mean {near[0]!r}? Correct {key} in {YAML}, or the row"
        if near
        else f"correct the row, or {key} in {YAML}",
        at_new=f"{meant} the row, {NAME_COLUMNS}",
    )


def content_text(value: Any) -> str:
    """Return the text of a content: a text, a list of parts of text, or an object that holds one.

    Raises:
        ScaffoldError: a part is something else than text; without a place.
    """
    if isinstance(value, list):
        return "".join(map(_part_text, value))
    if isinstance(value, dict):
        if isinstance(value.get("parts"), list):
            return content_text(value["parts"])
        if "type" in value or "text" in value:
            return _part_text(value)
    text = cell_text(value)
    if text is None:
        fix = "write its text in its place"
        raise ScaffoldError(f"The content is {kind_of_value(value)}, not text.", fix=fix)
    return text


def _part_text(part: Any) -> str:
    if isinstance(part, str):
        return part
    fix = "remove the part, or write what it shows as text"
    if not isinstance(part, dict):
        raise ScaffoldError(f"A part of the content is {kind_of_value(part)}.", fix=fix)
    kind = part.get("type")
    if kind in TEXT_PARTS and isinstance(part.get("text"), str):
        return str(part["text"])
    others = [key for key, value in part.items() if key not in ("type", "text") and value]
    named = kind if kind not in TEXT_PARTS else others[0] if others else None
    if named is None:
        raise ScaffoldError("A part of the content has no text.", fix=fix)
    raise ScaffoldError(
        f"The content has a part of the kind {str(named)!r:.60}; only text can be learned.", fix=fix
    )


def _listed(row: Row, column: str, form: Messages) -> tuple[list[Any], bool]:
    """Return the turns in a column, and whether a text had to be parsed for them."""
    key = "messages" if column == form.column else "messages.prompt"
    value = column_value(row, column, key)
    if isinstance(value, str):
        parsed = list_in_text(value)
        if parsed is not None:
            return parsed, True
    elif isinstance(value, list):
        return value, False
    raise ScaffoldError(
        f"The column {column!r} holds {kind_of_value(value)}, not a list of turns.",
        where=row.place,
        fix=f'write it as [{{"{form.role}": "user", "{form.content}": "..."}}, ...]',
    )


def list_in_text(text: str) -> list[Any] | None:
    """Return the list that a text is, as JSON or as Python writes it; None where it is none."""
    if not text.lstrip().startswith("["):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        if len(text) > LONGEST_LITERAL:
            return None
        try:
            value = ast.literal_eval(text.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            return None
    return value if isinstance(value, list) else None


def _turn(turn: Any, place: str, form: Messages, turns: RowTurns) -> tuple[Message, str]:
    """Return one turn, and what keeps it from being learned; "" where nothing does."""
    example = f'{{"{form.role}": "user", "{form.content}": "..."}}'
    if not isinstance(turn, dict):
        what = f"The turn is {kind_of_value(turn)}."
        raise ScaffoldError(what, where=place, fix=f"write it as {example}")
    calls = calls_of(turn, place)
    for key in (form.role, form.content):
        if key not in turn and not (calls and key == form.content):
            near = near_names(key, map(str, turn))
            remedy = (f"did you mean {near[0]!r}? " if near else "") + f"Write it as {example}"
            raise DatasetError(
                f"The turn lacks {key!r}; it has: {', '.join(map(str, turn)) or 'nothing'}.",
                where=place,
                fix=f"{remedy}, or correct messages in {YAML}",
                at_new=remedy,
            )
    role = form.role_of(turn[form.role])
    if role is None:
        known = ", ".join(dict.fromkeys((*form.names, *KNOWN_NAMES)))
        raise DatasetError(
            f"Unknown speaker {turn[form.role]!r:.100}; known are: {known}.",
            where=place,
            fix=f"correct the row, or say who that is under messages.names in {YAML}",
            at_new="correct the row",
        )
    content = turn.get(form.content)
    if role == TOOL_CALL:
        calls, role, content = [*calls, *calls_in_text(content, place)], "assistant", ""
    if isinstance(content, (list, dict)):
        turns.notes.append("parts")
    try:
        message: Message = {"role": role, "content": content_text(content)}
    except ScaffoldError as error:
        raise ScaffoldError(error.what, where=place, fix=error.fix) from None
    if calls and role != "assistant":
        what = f"A {role} turn calls a tool."
        raise ScaffoldError(
            what, where=place, fix="only the assistant calls tools: correct the row"
        )
    if calls:
        message["tool_calls"] = calls
    if role == TOOL:
        message |= {key: turn[key] for key in TOOL_KEYS if isinstance(turn.get(key), str)}
    return message, _hidden(turn, role, place)


def _hidden(turn: dict[Any, Any], role: str, place: str) -> str:
    """Return the flag by which a turn is not learned, "" where none says so."""
    for key in REFUSED_KEYS:
        if turn.get(key) not in (None, [], {}, ""):
            raise ScaffoldError(
                f"The turn has {key!r}, which would change what is learned from it.",
                where=place,
                fix="only whole turns are learned or not (train: false): split the turn, "
                f"or remove {key}",
            )
    hidden = ""
    for key in (*FLAGS, *HIDING_FLAGS):
        value = turn.get(key)
        if value is None:
            continue
        if isinstance(value, str):
            value = SPELLED.get(value.strip().lower(), value)
        if not isinstance(value, (bool, int, float)) or value not in (0, 1):
            raise ScaffoldError(
                f"The turn has {key}: {value!r:.40}; it can only be learned or not.",
                where=place,
                fix=f"set {key} to {'0 or 1' if key == 'weight' else 'true or false'}, "
                "or remove the turn",
            )
        says = bool(value) != (key in HIDING_FLAGS)
        if role != "assistant" and says and key in ("train", "training", "loss"):
            raise ScaffoldError(
                f"The turn of the {role} has {key}: true; only the assistant's turns are learned.",
                where=place,
                fix=f"remove {key} from that turn",
            )
        if not says:
            hidden = hidden or f"{key}: {'0' if key == 'weight' else str(bool(value)).lower()}"
    return hidden
