"""Annotations that are more, or less, than one label for a whole text: told as what they are."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from phi3scaffold.datasets.cell_text import cell_text
from phi3scaffold.datasets.detection.column_kinds import NUMBER, TEXT, RowColumn
from phi3scaffold.datasets.detection.guess import (
    Head,
    OtherKind,
    first_named,
    option_columns,
    quoted,
    values_of,
)
from phi3scaffold.datasets.turns import list_in_text

ANSWERS = ("completion", "output", "response", "answer", "messages", "conversations")
LABELS = ("label", "labels", "category", "intent", "sentiment", "class", "topic")
SPANS = ("spans", "entities", "label", "labels")
TAGS = ("ner_tags", "pos_tags", "chunk_tags", "tags")
DECISIONS = {"accept", "reject", "ignore"}  # of an annotator
TAG = r"(?:O|[BIESLU]-[^\s,]+)"
ONE_TAG, MANY_TAGS = re.compile(TAG), re.compile(rf"{TAG}(?:[ ,]+{TAG})+")
SEPARATORS = ";|,/"
OFTEN = 0.05  # of the rows, that have several labels
MOST = 0.8  # of the rows, or of those with several labels, for a kind
BINARY = {"0", "1", "0.0", "1.0", "true", "false"}
FEWEST_COLUMNS = 3  # of 0 and 1
CHOICES = ("choices", "options", "endings", "candidates", "answer_choices", "alternatives")
KEYS = (
    "answerkey", "answer_key", "answer_idx", "answer_index", "correct_index", "correct_answer",
    "correct_option", "answer", "label", "correct", "cop", "gold", "target",
)  # fmt: skip
KEY = re.compile(r"[A-Ha-h]|\d")


def spans(head: Head, _task: str | None) -> OtherKind | None:
    label = first_named(head.columns, LABELS)
    if label and not isinstance(head.value(label), (list, dict)):
        return None  # of the whole text; the spans are left out
    tags = first_named(head.columns, TAGS)
    if tags and isinstance(head.value(tags), list) and isinstance(head.value("tokens"), list):
        return _span_kind(f"`{tags}` names the kind of each word in `tokens`")
    for name in SPANS:
        column = first_named(head.columns, (name,))
        if column and any(_is_span(value) for value in items_of(head, column)):
            return _span_kind(f"`{column}` marks pieces of a text")
    return None


def _span_kind(how: str) -> OtherKind:
    return OtherKind(
        f"The rows are span annotations: {how}. Only labels for whole texts can be learned.",
        "for each row, write the text and the answer that you want (the marked words, for "
        "example) as question and answer",
    )


def _is_span(value: Any) -> bool:
    if isinstance(value, dict):
        return {"start", "end"} <= set(value) or {"start_offset", "end_offset"} <= set(value)
    return (
        isinstance(value, list)
        and len(value) == 3
        and [isinstance(part, (int, float)) for part in value[:2]] == [True, True]
        and isinstance(value[2], str)
    )


def several_labels(head: Head, _task: str | None) -> OtherKind | None:
    column = first_named(head.columns, ("label", "labels", "category", "categories"))
    if column is None or not isinstance(head.value(column), list):
        return None
    if first_named(head.columns, (*ANSWERS, "input_ids")):
        return None
    return OtherKind(
        f"`{column}` holds a list of labels. Only one label per row can be learned.",
        f"write one label per row into `{column}`, as text",
    )


def decisions(head: Head, _task: str | None) -> OtherKind | None:
    if "answer" not in head.columns or not {"label", "accept", "_task_hash"} & set(head.columns):
        return None
    decided = {str(value) for value in values_of(head, "answer")}
    if not decided <= DECISIONS or decided == {"accept"}:
        return None
    return OtherKind(
        "`answer` says whether an annotator accepted the row; some say "
        f"{quoted(sorted(decided - {'accept'}))}, so their label is wrong or unknown.",
        "keep the rows whose `answer` is accept",
    )


def raw_annotations(head: Head, _task: str | None) -> OtherKind | None:
    results = head.value("annotations")
    if not isinstance(results, list) or not isinstance(head.value("data"), dict):
        return None
    return OtherKind(
        "The rows are tasks of Label Studio, whose `annotations` are nested.",
        "export them as JSON-MIN or CSV",
    )


def items_of(head: Head, column: str) -> list[Any]:
    """Return what stands in the lists of a column."""
    return [item for value in values_of(head, column) if isinstance(value, list) for item in value]


def tagged_words(head: Head, _task: str | None) -> OtherKind | None:
    """Tell a table in which each row is one word."""
    for name in head.columns:
        texts = [str(value).strip() for value in values_of(head, name) if str(value).strip()]
        tagged = sum(ONE_TAG.fullmatch(text) is not None for text in texts)
        if len(texts) > 2 and tagged == len(texts) and any(text != "O" for text in texts):
            return OtherKind(
                f"Each row is one word, and `{name}` its tag. Only labels for whole "
                "texts can be learned.",
                "put the words of each sentence together, and write it and the answer that you "
                "want (the marked words, for example) as question and answer",
            )
    return None


def tags_in_text(head: Head, _task: str | None) -> OtherKind | None:
    """Tell a column with a tag for each word of a text."""
    for name in head.columns:
        texts = [value.strip() for value in values_of(head, name) if isinstance(value, str)]
        tagged = sum(MANY_TAGS.fullmatch(text) is not None for text in texts)
        if texts and tagged >= MOST * len(texts):
            return _span_kind(f"`{name}` holds a tag for each word of the text")
    return None


def labels_in_cells(name: str, texts: Sequence[str]) -> OtherKind | None:
    """Tell a label column in whose cells several labels stand.

    That is so where a mark stands between parts that also come alone, or with others.
    """
    if _are_lists(texts):
        return OtherKind(
            f"`{name}` holds a list of labels, written as text. Only one label per row can be "
            "learned.",
            f"write one label per row into `{name}`, without brackets",
        )
    for mark in SEPARATORS:
        sets = {text: {part.strip().casefold() for part in text.split(mark)} for text in texts}
        several = [text for text in texts if len(sets[text] - {""}) > 1]
        if len(several) < max(3, OFTEN * len(texts)):
            continue
        holders: dict[str, set[str]] = defaultdict(set)
        for text, parts in sets.items():
            for part in parts:
                holders[part].add(text)
        again = [text for text in several if all(len(holders[one]) > 1 for one in sets[text])]
        if len(again) >= MOST * len(several):
            return OtherKind(
                f"`{name}` holds several labels in one cell, such as {several[0]!r:.60}. Only "
                "one label per row can be learned.",
                f"keep one label per row in `{name}`; or learn each combination as a label: "
                f"--answer {name}; or the list as a text: --task qa --answer {name}",
            )
    return None


def _are_lists(texts: Sequence[str]) -> bool:
    """Return whether the cells are lists in brackets: Python's, JSON's or numpy's."""
    lists = [text for text in texts if re.fullmatch(r"\[.*\]", text.strip(), re.S)]
    if not texts or len(lists) < MOST * len(texts):
        return False
    numbers = re.compile(r"\[\s*\d+(?:[\s,]+\d+)*\s*\]")
    return all(list_in_text(text) is not None or numbers.fullmatch(text.strip()) for text in lists)


def labels_in_columns(head: Head, _task: str | None) -> OtherKind | None:
    """Tell a table with a column of 0 and 1 for each label."""
    columns = [RowColumn(name, head.values(name)) for name in head.columns]
    if first_named(head.columns, (*ANSWERS, *LABELS, "target", "stars", "rating")):
        return None
    binary = [
        one
        for one in columns
        if one.texts and {text.lower() for text in one.texts} <= BINARY and not one.is_named_id
    ]
    if len(binary) < FEWEST_COLUMNS or not any(one.kind == TEXT for one in columns):
        return None
    if any(one.can_be_label and one not in binary for one in columns):
        return None
    names = [one.name for one in binary]
    listed = quoted(names) if len(names) <= 6 else f"{quoted(names[:5])} and {len(names) - 5} more"
    return OtherKind(
        f"Each label has a column of 0 and 1: {listed}. Only one label per row can be learned.",
        f"learn one of them: --answer {names[0]}; or write the labels of each row into one column",
    )


def choices(head: Head, _task: str | None) -> OtherKind | None:
    """Tell a question with choices, whose answer is only the number of one."""
    column, key = first_named(head.columns, CHOICES), first_named(head.columns, KEYS)
    if column is None or key is None or not isinstance(head.value(column), (list, dict)):
        return None
    texts = [cell_text(value) or "" for value in values_of(head, key)]
    if not all(KEY.fullmatch(text.strip()) for text in texts):
        return None
    return OtherKind(
        f"The rows are questions with choices: `{key}` says which of `{column}` is right. Without "
        "the choices there is nothing to learn from it.",
        "write each question and its choices as one text, and the answer, into columns named "
        "question and answer",
    )


def scored_pair(head: Head, task: str | None) -> OtherKind | None:
    """Tell two texts and a number that says how alike they are."""
    columns = [RowColumn(name, head.values(name)) for name in head.columns]
    scores = [one for one in columns if one.kind == NUMBER and not one.is_named_id]
    texts = [one.name for one in columns if one.kind == TEXT]
    if task or len(scores) != 1 or len(texts) != 2 or len(option_columns(texts)) != 2:
        return None
    return OtherKind(
        f"`{scores[0].name}` gives a number to `{texts[0]}` and `{texts[1]}`. A number "
        "cannot be learned as a label or an answer.",
        "turn it into a few labels (such as low, middle and high) in a column named label",
    )
