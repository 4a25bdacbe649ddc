"""Rows made for something else are told as what they are; rows that only look like it are read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from phi3scaffold.datasets.detection.detector import guess
from phi3scaffold.project.errors import ScaffoldError

from .conftest import different

TURNS = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
MARKED = [{"start": 0, "end": 2, "value": "ba", "entity": "place"}]
Values = dict[str, Any]


def rows(folder: Path, *columns: Values) -> list[Path]:
    """Thirty rows of different texts; `TEXT` stands for one, the columns come round in turn."""
    texts = iter(different(200))
    lines = []
    for number in range(30):
        row = columns[number % len(columns)]
        lines.append({name: next(texts) if v == "TEXT" else v for name, v in row.items()})
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return [path]


def told(folder: Path, *columns: Values, task: str | None = None) -> tuple[str, str]:
    with pytest.raises(ScaffoldError) as caught:
        guess(rows(folder, *columns), task)
    assert str(caught.value.where).endswith("rows.jsonl:1")
    return caught.value.what, str(caught.value.fix)


REFUSED: dict[str, tuple[tuple[Values, ...], str, str]] = {
    "a pair of answers": (
        ({"question": "TEXT", "chosen": "TEXT", "rejected": "TEXT"},),
        "preference data: `chosen` holds the better answer, `rejected` the worse",
        "use `chosen` alone: --prompt question --answer chosen",
    ),
    "a pair of conversations": (
        ({"chosen": TURNS, "rejected": TURNS},),
        "preference data: `chosen`",
        "use `chosen` alone: --answer chosen",
    ),
    "a worse answer beside messages": (
        ({"messages": TURNS, "rejected_response": "TEXT"},),
        "preference data: `messages` holds the better answer, `rejected_response` the worse",
        "use `messages` alone: --answer messages",
    ),
    "answers and verdicts": (
        (
            {"prompt": "TEXT", "completion": "TEXT", "label": True},
            {"prompt": "TEXT", "completion": "TEXT", "label": False},
        ),
        "`label` says whether `completion` is a good answer",
        "--task classify",
    ),
    "verdicts in words": (
        (
            {"instruction": "TEXT", "output": "TEXT", "kto_tag": "True"},
            {"instruction": "TEXT", "output": "TEXT", "kto_tag": "False"},
        ),
        "`kto_tag` says whether `output` is a good answer",
        "keep the rows whose `kto_tag` is true",
    ),
    "messages of a tree": (
        (
            {"message_id": "TEXT", "parent_id": None, "role": "prompter", "text": "TEXT"},
            {"message_id": "TEXT", "parent_id": "a", "role": "assistant", "text": "TEXT"},
        ),
        "one message of a tree: `parent_id`",
        "follow the links",
    ),
    "pieces of a text with their labels": (
        ({"text": "TEXT", "labels": [[0, 2, "place"]]},),
        "span annotations: `labels`",
        "question and answer",
    ),
    "several labels": (
        ({"text": "TEXT", "labels": ["joy", "fear"]}, {"text": "TEXT", "labels": ["joy"]}),
        "`labels` holds a list of labels",
        "one label per row",
    ),
    "rejected annotations": (
        (
            {"text": "TEXT", "label": "joy", "answer": "accept"},
            {"text": "TEXT", "label": "fear", "answer": "reject"},
        ),
        "some say `reject`",
        "keep the rows whose `answer` is accept",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_another_kind_is_told(name: str, tmp_path: Path) -> None:
    columns, says, fix = REFUSED[name]
    what, remedy = told(tmp_path, *columns)
    assert says in what
    assert fix in remedy


def test_it_is_told_whatever_task_is_asked_for(tmp_path: Path) -> None:
    row = {"question": "TEXT", "answer": "TEXT", "rejected": "TEXT"}
    assert "preference data" in told(tmp_path, row, task="qa")[0]


READ: dict[str, tuple[tuple[Values, ...], str | None, str, str]] = {
    "comments that name what they answer": (
        (
            {"id": "TEXT", "parent_id": "TEXT", "author": "ann", "body": "TEXT", "label": "joy"},
            {"id": "TEXT", "parent_id": "TEXT", "author": "bo", "body": "TEXT", "label": "fear"},
        ),
        None,
        "classify",
        "{label}",
    ),
    "an intent beside marked words": (
        (
            {"text": "TEXT", "intent": "book", "entities": MARKED},
            {"text": "TEXT", "intent": "cancel", "entities": []},
        ),
        None,
        "classify",
        "{intent}",
    ),
    "a kind of question beside its answer": (
        (
            {"question": "TEXT", "answer": "TEXT", "label": "law"},
            {"question": "TEXT", "answer": "TEXT", "label": "art"},
        ),
        None,
        "qa",
        "{answer}",
    ),
    "annotations that were all accepted": (
        (
            {"text": "TEXT", "label": "joy", "answer": "accept"},
            {"text": "TEXT", "label": "fear", "answer": "accept"},
        ),
        None,
        "classify",
        "{label}",
    ),
    "verdicts that are to be learned": (
        (
            {"prompt": "TEXT", "completion": "TEXT", "label": True},
            {"prompt": "TEXT", "completion": "TEXT", "label": False},
        ),
        "classify",
        "classify",
        "{label}",
    ),
}


@pytest.mark.parametrize("name", READ)
def test_what_only_looks_like_another_kind_is_read(name: str, tmp_path: Path) -> None:
    columns, task, expected, assistant = READ[name]
    found = guess(rows(tmp_path, *columns), task)
    assert (found.task, found.assistant) == (expected, assistant)
