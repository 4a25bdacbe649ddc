"""Rows that are made for something else than learning one answer each: told as what they are.

Each kind is known by the names of its columns and by what they hold. Read as questions and
answers, such rows would teach the wrong thing: the worse of two answers, a score, a piece of a
tree.
"""

from __future__ import annotations

from collections.abc import Callable

from phi3scaffold.datasets.detection.annotation_kinds import (
    choices,
    decisions,
    labels_in_columns,
    raw_annotations,
    scored_pair,
    several_labels,
    spans,
    tagged_words,
    tags_in_text,
)
from phi3scaffold.datasets.detection.column_kinds import RowColumn
from phi3scaffold.datasets.detection.guess import Head, OtherKind, first_named, values_of
from phi3scaffold.project.errors import ScaffoldError

BETTER = ("chosen", "preferred_output", "preferred_completion", "chosen_response")
WORSE = (
    "rejected", "non_preferred_output", "non_preferred_completion", "rejected_response",
)  # fmt: skip
PROMPTS = ("prompt", "instruction", "question", "input")
ANSWERS = ("completion", "output", "response", "answer", "messages", "conversations")
VERDICTS = ("kto_tag", "label")  # whether an answer is good; `label` only beside an answer
LABELLED = ("label", "labels", "category", "intent", "sentiment", "class", "topic", "target")
# Of a row that is one message of a chat.
SENDERS = ("sender_name", "sender", "from", "user", "author", "username", "speaker")
SAID = ("text", "content", "message", "body")
TIMES = ("ts", "timestamp", "timestamp_ms", "date", "time", "datetime", "created_at")
REPLIES = (
    "in_response_to_tweet_id", "in_response_to", "in_reply_to_status_id", "in_reply_to_id",
    "in_reply_to", "reply_to_id", "reply_to",
)  # fmt: skip
OF_MESSAGES = ("type", "subtype", "from_id", "channel", "team", "source", "direction")
# What stands before a question and before its answer in the templates of models.
TEMPLATES = (
    ("<|im_start|>user", "<|im_start|>assistant"),
    ("[INST]", "[/INST]"),
    ("<|user|>", "<|assistant|>"),
    ("<start_of_turn>user", "<start_of_turn>model"),
    ("<|start_header_id|>user", "<|start_header_id|>assistant"),
    ("### Human:", "### Assistant:"),
    ("### Instruction:", "### Response:"),
    ("### User:", "### Assistant:"),
    ("Human:", "Assistant:"),
    ("USER:", "ASSISTANT:"),
    ("User:", "Assistant:"),
    ("User:", "Agent:"),
    ("Customer:", "Agent:"),
)
MOST = 0.9  # of the rows
YES_OR_NO = {"true", "false", "0", "1"}


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
        "Only right answers can be learned.",
        f"use `{column}` alone: {options}",
    )


def _unpaired(head: Head, task: str | None) -> OtherKind | None:
    answer = first_named(head.columns, ANSWERS)
    verdict = first_named(head.columns, VERDICTS)
    if task == "classify" or not answer or not verdict or not first_named(head.columns, PROMPTS):
        return None
    if not {str(value).lower() for value in values_of(head, verdict)} <= YES_OR_NO:
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
        "write the correct steps as one text into a column named completion",
    )


def _tree(head: Head, task: str | None) -> OtherKind | None:
    if "mapping" in head.columns and isinstance(head.value("mapping"), dict):
        return OtherKind(
            "Each row is a conversation as a tree: `mapping` links every message to others.",
            "follow the links from `current_node`, and write each conversation as a list of "
            'turns into a column named messages: [{"role": "user", "content": "..."}, ...]',
        )
    parent = first_named(head.columns, ("parent_id", "parent_message_id", "parent"))
    if parent and not first_named(head.columns, ("role",)):
        parent = None
    if parent is None and not first_named(head.columns, (*LABELLED, *ANSWERS)):
        parent = first_named(head.columns, REPLIES)
    if task == "classify" or parent is None:
        return None
    return OtherKind(
        f"Each row is one message of a tree: `{parent}` names the message that it answers.",
        "follow the links, and write each conversation as a list of turns into a column named "
        'messages: [{"role": "user", "content": "..."}, ...]',
    )


def _token_ids(head: Head, _task: str | None) -> OtherKind | None:
    ids = head.value("input_ids")
    if not isinstance(ids, list) or not all(isinstance(one, int) for one in ids):
        return None
    return OtherKind(
        "The rows are already token ids (`input_ids`), from an unknown tokenizer.",
        "give the text that they were made from",
    )


def _segments(head: Head, _task: str | None) -> OtherKind | None:
    if not isinstance(head.value("segments"), list):
        return None
    return OtherKind(
        "`segments` holds a text in pieces without speakers, made for one model's chat template.",
        'write them as turns into a column named messages: [{"role": "user", "content": "..."}, '
        '{"role": "assistant", "content": "..."}]',
    )


def _requests(head: Head, _task: str | None) -> OtherKind | None:
    if not {"custom_id", "body"} <= set(head.columns):
        return None
    return OtherKind(
        "The rows are batch requests: `body` holds a question without its answer.",
        "write each question and its answer into columns named question and answer",
    )


def _intents(head: Head, _task: str | None) -> OtherKind | None:
    if not isinstance(head.value("patterns"), list):
        return None
    label = first_named(head.columns, ("tag", "intent", "name")) or "tag"
    return OtherKind(
        f"Each row holds many questions: a list in `patterns`, all with the same `{label}`.",
        f"write each pattern into a row of its own: columns text and {label}, or question and "
        "answer",
    )


def _survey(head: Head, _task: str | None) -> OtherKind | None:
    if not any(
        values and all(str(value).startswith('{"ImportId":') for value in values)
        for values in (list(row.values.values()) for row in head.rows[:3])
    ):
        return None
    return OtherKind(
        "The first rows name the columns again, as Qualtrics writes them below the header.",
        "remove lines 2 and 3",
    )


def _chat_export(head: Head, task: str | None) -> OtherKind | None:
    sender, text = first_named(head.columns, SENDERS), first_named(head.columns, SAID)
    time = first_named(head.columns, TIMES)
    if task or not (sender and text and time) or first_named(head.columns, ANSWERS):
        return None
    known = {sender, text, time}
    columns = [RowColumn(name, head.values(name)) for name in head.columns if name not in known]
    if any(one.can_be_label and one.plain_name not in OF_MESSAGES for one in columns):
        return None
    return OtherKind(
        f"Each row is one message of a chat: `{sender}` says who wrote `{text}`.",
        "write each conversation as a list of turns into a column named messages: "
        '[{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]',
    )


def _templated(head: Head, task: str | None) -> OtherKind | None:
    if task == "classify" or first_named(head.columns, (*ANSWERS, *LABELLED)):
        return None
    for name in head.columns:
        texts = [value for value in values_of(head, name) if isinstance(value, str)]
        for asks, answers in TEMPLATES:
            if texts and sum(asks in text and answers in text for text in texts) >= MOST * len(
                texts
            ):
                return OtherKind(
                    f"`{name}` holds whole conversations as one text, written with a "
                    f"model's chat template ({asks.strip()} ... {answers.strip()}).",
                    "split it at these marks into columns named prompt and completion, or into a "
                    "list of turns in a column named messages",
                )
    return None


def _nested_questions(head: Head, _task: str | None) -> OtherKind | None:
    if not isinstance(head.value("paragraphs"), list):
        return None
    return OtherKind(
        "Each row holds many questions: they are nested in `paragraphs`.",
        "write one question per row: columns context, question and answer",
    )


KINDS: tuple[Callable[[Head, str | None], OtherKind | None], ...] = (
    _preference,
    _unpaired,
    _steps,
    _tree,
    _intents,
    _survey,
    _chat_export,
    _templated,
    raw_annotations,
    spans,
    tagged_words,
    tags_in_text,
    _token_ids,
    decisions,
    choices,
    scored_pair,
    _segments,
    _requests,
    _nested_questions,
    several_labels,
    labels_in_columns,
)
