"""Find the texts and their label in the columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from phi3scaffold.datasets.detection.column_kinds import (
    EMPTY,
    NESTED,
    PERSON,
    TELLING_NAMES,
    TEXT,
    RowColumn,
    determine_each_other,
    say_the_same,
)
from phi3scaffold.datasets.detection.guess import Guess, Head, first_named, prompt_turn, quoted
from phi3scaffold.datasets.reader import Row
from phi3scaffold.project.formatting import count

LABEL_NAMES = (
    "label", "labels", "gold_label", "tone", "sentiment", "emotion", "mood", "category", "class",
    "intent", "topic", "target", "type", "answer", "output", "stance", "verdict", "genre", "team",
    "department", "queue", "assignment_group", "status", "priority", "severity", "rating", "stars",
    "overall", "polarity",
)  # fmt: skip
# Words in the name of a label's column that say what it is.
SAYING = frozenset(("label", "sentiment", "emotion", "category", "class", "intent", "topic"))
HOLDS_LABEL = 0.9  # of the rows, for a text that gives its label away
LETTERS = 3  # of a label at least, to be looked for in a text
SAME_AS_LABEL, ABOUT_LABEL = "says the same as the label", "written about the label, by its name"


@dataclass
class ColumnChoice:
    """Columns for a classification.

    Attributes:
        texts: the columns that the model reads.
        label: the column that it answers.
        reasons: column that is left out -> why, where its kind does not say it.
        notes: what is doubtful, each a sentence.
    """

    texts: list[RowColumn]
    label: RowColumn
    reasons: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def classify(head: Head) -> Guess | None:
    """Guess at a classification: texts, and a column of few values that come again and again."""
    choice = choose(head)
    return classification(choice) if choice else None


def classification(choice: ColumnChoice) -> Guess:
    """Return the guess that uses these columns."""
    names = tuple(column.name for column in choice.texts)
    label = choice.label.name
    # a line for each column, then the label's name to be answered
    heading = label.replace("_", " ").capitalize()
    user = f"{prompt_turn(names, choice.label.counts)}\n{heading}:"
    said = f"{quoted(names)} as the text, `{label}` as the label"
    return Guess(
        "classify", said, names, user, f"{{{label}}}",
        notes=tuple(choice.notes), reasons=choice.reasons,
    )  # fmt: skip


def choose(head: Head, answer: str = "", prompt: Sequence[str] = ()) -> ColumnChoice | None:
    """Choose the texts and the label, or return None where the columns have no such two.

    Args:
        head: the first rows.
        answer: the label's column, where that is known.
        prompt: the texts' columns, where they are known.
    """
    columns = [RowColumn(name, head.values(name)) for name in head.columns]
    flat = [column for column in columns if column.kind not in (NESTED, EMPTY)]
    label, rivals = _label([column for column in flat if column.name not in prompt])
    if answer:
        label, rivals = next((one for one in flat if one.name == answer), None), []
    if label is None:
        return None
    others = [column for column in flat if column is not label]
    choice = ColumnChoice([], label)
    choice.texts = (
        [column for name in prompt for column in others if column.name == name]
        if prompt
        else _texts(others, choice)
    )
    if not choice.texts:
        return None
    worded = None if answer else _in_words(label, others)
    if worded is not None and worded not in choice.texts:
        choice.notes.append(
            f"`{worded.name}` has the labels in words, which a model knows: --answer {worded.name}"
        )
    left = [one for one in rivals if one not in choice.texts and one.name not in choice.reasons]
    if left:
        which = ", ".join(f"`{one.name}` ({count(len(one.counts), 'value')})" for one in left)
        choice.notes.append(f"the label could also be {which}: --answer {left[0].name}")
    return choice


def _label(columns: Sequence[RowColumn]) -> tuple[RowColumn | None, list[RowColumn]]:
    """Return the label's column, and others that could be it as well."""
    by_name = {column.name: column for column in columns}
    names = list(by_name)
    named: list[RowColumn] = []
    while (name := first_named(names, LABEL_NAMES)) is not None:
        named.append(by_name[name])
        names.remove(name)
    fitting = [one for one in named if one.can_be_label]
    if fitting:
        return fitting[0], fitting[1:]
    able = [one for one in columns if one.can_be_label and not one.is_named_text]
    about = [one for one in able if _names_label(one)]
    if about:  # the first: others tell more of it
        return about[0], [one for one in able if one is not about[0]]
    words = [one for one in able if one.share(str.isalpha) or not one.share(str.isdigit)]
    able = [one for one in words or able if one.kind != PERSON]
    if able:  # tables end with what is to be known
        return able[-1], able[:-1]
    unnamed = [one for one in columns if one.can_be_label]
    return next(iter(named or unnamed), None), []


def _names_label(column: RowColumn) -> bool:
    """Return whether a word of the name says that it is a label: `airline_sentiment`."""
    if TELLING_NAMES.match(column.plain_name) or len(column.texts) < len(column.values) / 2:
        return False
    return any(word in SAYING for word in column.name_words)


def _in_words(label: RowColumn, columns: Sequence[RowColumn]) -> RowColumn | None:
    """Return the column that has the label in words, where `label` has its number only."""
    if label.share(str.isdigit) < 1:
        return None
    worded = [one for one in columns if one.can_be_label and one.share(str.isdigit) == 0]
    return next((one for one in worded if determine_each_other(one, label)), None)


def _texts(columns: Sequence[RowColumn], choice: ColumnChoice) -> list[RowColumn]:
    """Return the columns that read like text and do not give the label away."""
    texts = [column for column in columns if column.kind == TEXT]
    if not texts:
        named = first_named([column.name for column in columns], ("text", "input", "prompt"))
        words = [one for one in columns if any(map(str.isalpha, "".join(one.texts[:9])))]
        longest = max(words, key=lambda one: sum(map(len, one.texts)), default=None)
        texts = [one for one in columns if one.name == named] or ([longest] if longest else [])
    for column in columns:
        if column.is_repeated and determine_each_other(column, choice.label):
            choice.reasons[column.name] = SAME_AS_LABEL
        elif TELLING_NAMES.match(column.plain_name):
            choice.reasons[column.name] = ABOUT_LABEL
    for number, column in enumerate(texts):
        twin = next((one for one in texts[:number] if say_the_same(one, column)), None)
        if twin is not None:
            choice.reasons[column.name] = f"says the same as `{twin.name}`"
        elif _holds_label(column, choice.label):
            choice.reasons[column.name] = "holds the label"
    used = [column for column in texts if column.name not in choice.reasons]
    if used or not texts:
        return used
    for column in texts:  # there is no other text
        reason = choice.reasons.pop(column.name)
        if reason == "holds the label":
            choice.notes.append(
                f"`{column.name}` holds the label: the model would learn to copy it"
            )
    return texts[:1]


def _holds_label(text: RowColumn, label: RowColumn) -> bool:
    """Return whether most rows write their own label in the text, as a word of its own."""
    if any(len(name) < LETTERS for name in label.counts) or len(label.counts) < 2:
        return False
    found = [
        re.search(rf"\b{re.escape(str(b).strip())}\b", str(a), re.I) is not None
        for a, b in zip(text.values, label.values, strict=True)
        if a and b
    ]
    return bool(found) and sum(found) >= HOLDS_LABEL * len(found)


def fewest_values(rows: Sequence[Row], columns: Iterable[str]) -> str | None:
    """Return the first column whose few values come again and again, as labels do."""
    for name in columns:
        if RowColumn(name, [row.values.get(name) for row in rows]).is_repeated:
            return name
    return None
