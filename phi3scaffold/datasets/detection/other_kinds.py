"""Rows that are made for something else than learning one answer each: told as what they are.

Each kind is known by the names of its columns and by what they hold. Read as questions and
answers, such rows would teach the wrong thing: the worse of two answers, a score, a piece of a
tree.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from phi3scaffold.datasets.detection.guess import Head, first_named, quoted
from phi3scaffold.project.errors import ScaffoldError

BETTER = ("chosen", "preferred_output", "preferred_completion", "chosen_response")
WORSE = (
    "rejected", "non_preferred_output", "non_preferred_completion", "rejected_response",
)  # fmt: skip
PROMPTS = ("prompt", "instruction", "question", "input")
ANSWERS = ("completion", "output", "response", "answer", "messages", "conversations")
VERDICTS = ("kto_tag", "label")  # whether an answer is good; `label` only beside an answer
YES_OR_NO = {"true", "false", "0", "1"}
LABELS = ("label", "labels", "category", "intent", "sentiment", "class", "topic")
SPANS = ("spans", "entities", "label", "labels")
TAGS = ("ner_tags", "pos_tags", "chunk_tags", "tags")
DECISIONS = {"accept", "reject", "ignore"}  # of an annotator


class OtherKind(NamedTuple):
    """What rows are, as a sentence, and what to do with them."""

    what: str
    fix: str


def refuse_other_kinds(head: Head, task: str | None) -> None:
    """Refuse rows of a kind that cannot be learned here; `task` is what was asked for, if anything.

    Raises:
        ScaffoldError: it says which kind they are.
    """
    for kind in KINDS:
        found = kind(head, task)
        if found:
            raise ScaffoldError(found.what, where=head.place, fix=found.fix)


def _preference(head: Head, _task: str | None) -> OtherKind | None:
    better, worse = first_named(head.columns, BETTER), first_named(head.columns, WORSE)
    if worse is None or not (better or first_named(head.columns, ANSWERS)):
        return None
    column = better or first_named(head.columns, ANSWERS)
    value = head.value(str(column))
    prompt = first_named(head.columns, PROMPTS)
    options = f"--answer {column}"
    if not isinstance(value, list):
        options = f"--prompt {prompt or 'COLUMN'} {options}"
    return OtherKind(
        f"The rows are preference data: `{column}` holds the better answer, `{worse}` the worse. "
        "Only answers that are right can be learned here.",
        f"take `{column}` alone: {options}",
    )


def _unpaired(head: Head, task: str | None) -> OtherKind | None:
    answer = first_named(head.columns, ANSWERS)
    verdict = first_named(head.columns, VERDICTS)
    if task == "classify" or not answer or not verdict or not first_named(head.columns, PROMPTS):
        return None
    if not {str(value).lower() for value in _values(head, verdict)} <= YES_OR_NO:
        return None
    return OtherKind(
        f"The rows are preference data: `{verdict}` says whether `{answer}` is a good answer. "
        "Bad ones must not be learned.",
        f"keep the rows whose `{verdict}` is true, and leave that column out"
        + ("; or, to learn the verdict itself: --task classify" if verdict == "label" else ""),
    )


def _steps(head: Head, _task: str | None) -> OtherKind | None:
    steps, marks = head.value("completions"), head.value("labels")
    if not isinstance(steps, list) or not isinstance(marks, list):
        return None
    return OtherKind(
        "The rows are for a reward model: `labels` judges each of the steps in `completions`.",
        "write the steps that are right as one text into a column named completion",
    )


def _tree(head: Head, task: str | None) -> OtherKind | None:
    if "mapping" in head.columns and isinstance(head.value("mapping"), dict):
        return OtherKind(
            "Each row is a conversation as a tree: `mapping` links every message to others.",
            "follow the links from `current_node`, and write each conversation as a list of "
            'turns into a column named messages: [{"role": "user", "content": "..."}, ...]',
        )
    parent = first_named(head.columns, ("parent_id", "parent_message_id", "parent"))
    if task == "classify" or parent is None or not first_named(head.columns, ("role",)):
        return None
    return OtherKind(
        f"Each row is one message of a tree: `{parent}` names the message that it answers.",
        "follow the links, and write each conversation as a list of turns into a column named "
        'messages: [{"role": "user", "content": "..."}, ...]',
    )


def _spans(head: Head, _task: str | None) -> OtherKind | None:
    label = first_named(head.columns, LABELS)
    if label and not isinstance(head.value(label), (list, dict)):
        return None  # of the whole text; the spans are left out
    tags = first_named(head.columns, TAGS)
    if tags and isinstance(head.value(tags), list) and isinstance(head.value("tokens"), list):
        return _span_kind(f"`{tags}` names the kind of each word in `tokens`")
    for name in SPANS:
        column = first_named(head.columns, (name,))
        if column and any(_is_span(value) for value in _items(head, column)):
            return _span_kind(f"`{column}` marks pieces of a text")
    return None


def _span_kind(how: str) -> OtherKind:
    return OtherKind(
        f"The rows are span annotations: {how}. A label is learned here for a whole text.",
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


def _several_labels(head: Head, _task: str | None) -> OtherKind | None:
    column = first_named(head.columns, ("label", "labels", "category", "categories"))
    if column is None or not isinstance(head.value(column), list):
        return None
    if first_named(head.columns, (*ANSWERS, "input_ids")):
        return None
    return OtherKind(
        f"`{column}` holds a list of labels. One label a row is learned here.",
        f"write one label a row into `{column}`, as text",
    )


def _decisions(head: Head, _task: str | None) -> OtherKind | None:
    if "answer" not in head.columns or not {"label", "accept", "_task_hash"} & set(head.columns):
        return None
    decided = {str(value) for value in _values(head, "answer")}
    if not decided <= DECISIONS or decided == {"accept"}:
        return None
    return OtherKind(
        "`answer` says whether an annotator accepted the row; in some it says "
        f"{quoted(sorted(decided - {'accept'}))}, so that their label is wrong or unknown.",
        "keep the rows whose `answer` is accept",
    )


def _token_ids(head: Head, _task: str | None) -> OtherKind | None:
    ids = head.value("input_ids")
    if not isinstance(ids, list) or not all(isinstance(one, int) for one in ids):
        return None
    return OtherKind(
        "The rows are token ids already (`input_ids`), of a tokenizer that is not known here.",
        "give the text that they were made from",
    )


def _raw_annotations(head: Head, _task: str | None) -> OtherKind | None:
    results = head.value("annotations")
    if not isinstance(results, list) or not isinstance(head.value("data"), dict):
        return None
    return OtherKind(
        "The rows are tasks of Label Studio, whose `annotations` are nested.",
        "export them as JSON-MIN or CSV",
    )


def _segments(head: Head, _task: str | None) -> OtherKind | None:
    if not isinstance(head.value("segments"), list):
        return None
    return OtherKind(
        "`segments` holds a text in pieces without speakers, made for one model's own template.",
        'write them as turns into a column named messages: [{"role": "user", "content": "..."}, '
        '{"role": "assistant", "content": "..."}]',
    )


def _requests(head: Head, _task: str | None) -> OtherKind | None:
    if not {"custom_id", "body"} <= set(head.columns):
        return None
    return OtherKind(
        "The rows are requests of a batch: `body` holds a question without its answer.",
        "write question and answer into columns of these names",
    )


def _nested_questions(head: Head, _task: str | None) -> OtherKind | None:
    if not isinstance(head.value("paragraphs"), list):
        return None
    return OtherKind(
        "Each row holds many questions: they are nested in `paragraphs`.",
        "write one question a row: columns context, question and answer",
    )


def _values(head: Head, column: str) -> list[Any]:
    found = (row.values.get(column) for row in head.rows)
    return [value for value in found if value is not None]


def _items(head: Head, column: str) -> list[Any]:
    """Return what stands in the lists of a column."""
    return [item for value in _values(head, column) if isinstance(value, list) for item in value]


KINDS: tuple[Callable[[Head, str | None], OtherKind | None], ...] = (
    _preference,
    _unpaired,
    _steps,
    _tree,
    _raw_annotations,
    _spans,
    _token_ids,
    _decisions,
    _segments,
    _requests,
    _nested_questions,
    _several_labels,
)
