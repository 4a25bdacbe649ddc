"""What is known of the rows: the first of them, and the guess at what they are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from phi3scaffold.datasets.labels import LabelTable, labels_text
from phi3scaffold.datasets.message_format import Messages
from phi3scaffold.datasets.reader import Row
from phi3scaffold.datasets.spec import DatasetSpec
from phi3scaffold.datasets.split import AUTO
from phi3scaffold.datasets.unused import holds_something


class ToolRows(NamedTuple):
    """How many of the first rows use tools, of how many, and where the first of them stands."""

    number: int
    of: int
    place: str


@dataclass(frozen=True)
class Guess:
    """What the rows are; becomes the answer `rows` and so datasets/dataset.yaml.

    Attributes:
        task: classify, qa or chat.
        columns: the columns that the user turn uses; empty for whole conversations.
        user, assistant: turns such as ``{phrase}``; empty for whole conversations.
        messages: where whole conversations stand, or None.
        label_table: what the texts of the label column are read as; empty unless classify.
        notes: what else to know about the rows, each a sentence.
        reasons: column that is left out -> why, where its kind does not say it.
        other_task: the task that they could be for as well.
        system: the system text, which names a column, or None.
        history: the column of earlier pairs of question and answer, or None.
        tool_rows: which of the first rows use tools, or None where none does.
        said: what was taken for what, for the person who runs `new`.
    """

    task: str
    said: str
    columns: tuple[str, ...] = ()
    user: str = ""
    assistant: str = ""
    messages: Messages | None = None
    label_table: LabelTable = field(default_factory=LabelTable)
    notes: tuple[str, ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)
    other_task: str = ""
    system: str | None = None
    history: str | None = None
    tool_rows: ToolRows | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        return self.label_table.labels

    @property
    def summary(self) -> str:
        """What was taken for what, the labels included."""
        labels = labels_text(self.labels)
        return f"{self.said} ({labels})" if labels else self.said

    def spec(self) -> DatasetSpec:
        """Return the guess as dataset.yaml will say it, to try it on rows."""
        return DatasetSpec(
            Path("dataset.yaml"),
            self.task,
            (),
            0.5,
            self.user,
            self.assistant,
            self.messages,
            system=self.system,
            history=self.history,
        )

    def answer(
        self,
        train: Sequence[str],
        held_out: Sequence[str] | float,
        validation: Sequence[str] | str = AUTO,
    ) -> dict[str, Any]:
        """Return the value of copier's answer `rows`."""
        messages: str | dict[str, Any] | None = None
        if self.messages:
            form = self.messages
            plain = form == Messages(form.column)
            messages = form.column if plain else {**vars(form), "names": dict(form.names)}
        return {
            "train": list(train),
            "validation": validation if isinstance(validation, str) else list(validation),
            "held_out": held_out if isinstance(held_out, float) else list(held_out),
            "user": self.user or None,
            "assistant": self.assistant or None,
            "messages": messages,
            "system": self.system,
            "history": self.history,
            **self.label_table.answer(),
            "columns": list(self.columns),
        }


class OtherKind(NamedTuple):
    """What rows are, as a sentence, and what to do with them."""

    what: str
    fix: str


class Head:
    """The first rows.

    Attributes:
        rows: at least one.
        columns: every column that one of them has.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self.columns = list(dict.fromkeys(str(name) for row in rows for name in row.values))

    def value(self, column: str) -> Any:
        """Return the first value that is not null."""
        values = (row.values.get(column) for row in self.rows)
        return next((value for value in values if value is not None), None)

    def values(self, column: str) -> list[Any]:
        """Return the column's value of each row."""
        return [row.values.get(column) for row in self.rows]

    def holds(self, column: str) -> bool:
        """Return whether one of the rows has something there."""
        return any(map(holds_something, self.values(column)))

    @property
    def place(self) -> str:
        return self.rows[0].place


# One of several texts of the same kind: option_a, choice1, sentence 2, A.
NUMBERED = re.compile(r"(.*?)[_ ]?([a-h]|[1-8])", re.I)


def option_columns(columns: Iterable[str]) -> dict[str, str]:
    """Return the columns that are numbered alike -> their letter or number; {} for fewer than two.

    >>> option_columns(["question", "option_a", "option_b", "answer"])
    {'option_a': 'A', 'option_b': 'B'}
    """
    groups: dict[str, dict[str, str]] = {}
    for column in columns:
        if found := NUMBERED.fullmatch(column.strip()):
            groups.setdefault(found[1].lower(), {})[column] = found[2].upper()
    for marks in groups.values():
        for first in ("ABCDEFGH", "12345678"):
            if len(marks) > 1 and "".join(marks.values()) == first[: len(marks)]:
                return marks
    return {}


def prompt_turn(columns: Sequence[str], answers: Iterable[str] = ()) -> str:
    """Return the user's turn: a line for each column, choices behind their letters."""
    marks, letters = option_columns(columns), {text.strip().upper() for text in answers}
    if not letters or not letters <= set(marks.values()):
        marks = {}
    lines = [f"{marks[name]}: {{{name}}}" if name in marks else f"{{{name}}}" for name in columns]
    return "\n".join(lines)


SYSTEM_NAMES = (
    "system", "system_prompt", "systemprompt", "system_message", "systeminstruction",
    "system_instruction",
)  # fmt: skip


def system_of(head: Head) -> str | None:
    """Return the system text that names the column of system texts, if there is one."""
    column = first_named(filter(head.holds, head.columns), SYSTEM_NAMES)
    return f"{{{column}}}" if column else None


def first_named(columns: Iterable[str], names: Sequence[str]) -> str | None:
    """Return the column whose name, in lower case, stands earliest in `names`."""
    lower = {column.strip().lower(): column for column in columns}
    return next((lower[name] for name in names if name in lower), None)


def quoted(names: Iterable[str]) -> str:
    """Return names in a sentence: `` `a` ``, `` `a` and `b` ``, `` `a`, `b` and `c` ``."""
    *most, last = [f"`{name}`" for name in names]
    return f"{', '.join(most)} and {last}" if most else last


def values_of(head: Head, column: str) -> list[Any]:
    """Return the values of a column that are not null."""
    return [value for value in head.values(column) if value is not None]
