"""Columns that a person names, answers that are labels, and rows that need to be told which."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from phi3scaffold import generator
from phi3scaffold.__main__ import VERBS
from phi3scaffold.cli import main
from phi3scaffold.datasets.detection import Guess, NamedColumns, guess
from phi3scaffold.datasets.spec import Messages
from phi3scaffold.project.errors import ScaffoldError
from tests.template.conftest import without_git

ROWS = 40
TURNS = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Dear you"}]
PAIRS = [
    {"id": n, "question": f"Say {n} kindly.", "chosen": f"Dear {n}.", "rejected": f"Go, {n}."}
    for n in range(ROWS)
]
TALKS = [
    {"prompt": f"Say {n}", "chosen": [{**TURNS[0], "content": f"Say {n}"}, TURNS[1]],
     "rejected": TURNS} for n in range(ROWS)
]  # fmt: skip
TICKETS = [
    {"subject": f"printer {n} broken", "body": f"The printer on floor {n} makes a noise.",
     "team": ("it", "desk")[n % 2], "mood": ("calm", "angry", "glad")[n * n % 3],
     "reply": f"We will look at printer {n}."} for n in range(ROWS)
]  # fmt: skip


def found(tmp_path: Path, rows: list[Any], task: str | None = None, **names: str) -> Guess:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return guess([path], task, NamedColumns(**names))


# rows, task, names -> task, user, assistant
NAMED: list[tuple[list[Any], str | None, dict[str, str], tuple[str, str, str]]] = [
    (PAIRS, None, {"answer": "chosen"}, ("qa", "{question}", "{chosen}")),
    (PAIRS, None, {"prompt": "question", "answer": "chosen"}, ("qa", "{question}", "{chosen}")),
    (TICKETS, None, {"answer": "mood"},
        ("classify", "{subject}\n{body}\n{reply}\nMood:", "{mood}")),
    (TICKETS, None, {"prompt": "body", "answer": "Team"}, ("classify", "{body}\nTeam:", "{team}")),
    (TICKETS, None, {"prompt": "body"}, ("classify", "{body}\nMood:", "{mood}")),
    (TICKETS, None, {"prompt": "body, subject", "answer": "reply"},
        ("qa", "{body}\n{subject}", "{reply}")),
    (TICKETS, "qa", {"answer": "team"}, ("qa", "{subject}\n{body}\n{reply}", "{team}")),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "task", "names", "expected"), NAMED)
def test_named_columns_are_used(
    rows: Any, task: str | None, names: dict[str, str], expected: Any, tmp_path: Path
) -> None:
    one = found(tmp_path, rows, task, **names)
    assert (one.task, one.user, one.assistant) == expected


def test_whole_conversations_in_a_named_column(tmp_path: Path) -> None:
    one = found(tmp_path, TALKS, answer="chosen")
    assert (one.task, one.messages) == ("chat", Messages("chosen"))
    assert "`rejected` (lists or objects, 40 rows)" in one.notes[0]


WRONG: list[tuple[list[Any], str | None, dict[str, str], str, str, str]] = [
    (PAIRS, None, {"answer": "choosen"}, "--answer", "no column 'choosen'", "mean 'chosen'"),
    (PAIRS, None, {"prompt": "question,zzz", "answer": "chosen"}, "--prompt", "'zzz'", "one of"),
    (PAIRS, None, {"prompt": "chosen", "answer": "chosen"}, "--answer", "both", "two columns"),
    (PAIRS, "chat", {"answer": "chosen"}, "--answer", "a list of turns", "--task qa"),
    (TALKS, None, {"prompt": "prompt", "answer": "chosen"}, "--prompt", "whole conv", "omit"),
]


@pytest.mark.parametrize(("rows", "task", "names", "where", "says", "fix"), WRONG)
def test_wrong_names_are_refused(
    rows: Any, task: str | None, names: dict[str, str], where: str, says: str, fix: str,
    tmp_path: Path,
) -> None:  # fmt: skip
    with pytest.raises(ScaffoldError) as caught:
        found(tmp_path, rows, task, **names)
    assert caught.value.where == where
    assert says in caught.value.what and fix in (caught.value.fix or "")


@pytest.mark.parametrize(("rows", "fix"), [
    (PAIRS, "--prompt question --answer chosen"), (TALKS, "--answer chosen"),
])  # fmt: skip
def test_the_remedy_for_preference_data_works(rows: Any, fix: str, tmp_path: Path) -> None:
    with pytest.raises(ScaffoldError) as caught:
        found(tmp_path, rows)
    assert (caught.value.fix or "").endswith(fix)
    words = ["new", str(tmp_path / "proj"), "--defaults", "--no-git", "--data"]
    with without_git():
        assert main(VERBS, [*words, str(tmp_path / "rows.jsonl"), *fix.split()]) == 0
    written = yaml.safe_load((tmp_path / "proj/datasets/dataset.yaml").read_text())
    assert written["task"] == ("qa" if "question" in fix else "chat")


REFERRALS = (
    "Please call our service line.", "Please visit one of our offices.",
    "Please write to us by letter.", "I can answer this for you right now.",
)  # fmt: skip


def asked(answers: tuple[str, ...], rows: int = ROWS) -> list[dict[str, str]]:
    return [
        {"question": f"How do I {n}?", "answer": answers[n % len(answers)]} for n in range(rows)
    ]


def test_four_short_answers_are_labels(tmp_path: Path) -> None:
    one = found(tmp_path, asked(REFERRALS))
    assert (one.task, one.user) == ("classify", "{question}\nAnswer:")
    assert one.labels == tuple(sorted(REFERRALS))
    assert (
        "4 different answers in 40 rows: a classification; --task qa learns them as free text"
        in one.notes
    )
    assert found(tmp_path, asked(REFERRALS), "qa").user == "{question}"


@pytest.mark.parametrize(
    "rows",
    [
        asked(REFERRALS, 12),  # three of each: may be chance
        asked(tuple(f"Answer number {n}." for n in range(21)), 210),
        asked(tuple(f"{text} " * 9 for text in REFERRALS)),
        asked(REFERRALS[:1]),
    ],
)
def test_other_answers_stay_answers(rows: Any, tmp_path: Path) -> None:
    assert found(tmp_path, rows).task == "qa"


def test_many_intents_are_labels(tmp_path: Path) -> None:
    rows = [{"text": f"What about {n}?", "label": f"intent_{n % 77}"} for n in range(77 * 4)]
    one = found(tmp_path, rows)
    assert len(one.labels) == 77 and one.task == "classify"
    assert "77 labels have fewer than 10 rows: intent_0 (4)" in "\n".join(one.label_table.notes())


OPTIONS = [
    (["--answer", "label"], "--answer", "add --data"),
    (["--label-variants", "all"], "--label-variants", "case, width, keep"),
    (["--missing-labels", "some"], "--missing-labels", "likely, all, keep"),
    (["--task", "qa", "--data", "@pairs", "--label-variants", "keep", "--answer", "chosen"],
        "--label-variants", "omit --label-variants"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "where", "fix"), OPTIONS)
def test_options_that_say_nothing_are_refused(
    options: list[str], where: str, fix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in PAIRS))
    words = [str(path) if word == "@pairs" else word for word in options]
    assert main(VERBS, ["new", str(tmp_path / "proj"), "--defaults", *words]) == 2
    error = capsys.readouterr().err
    assert f"where: {where}" in error and fix in error


@pytest.mark.parametrize(
    ("answers", "labels", "missing"),
    [
        ({}, ["fear", "joy"], ["nan"]),
        ({"label_variants": "keep"}, ["Joy", "fear", "joy"], ["nan"]),
        ({"missing_labels": "keep"}, ["fear", "joy", "nan"], None),
    ],
)
def test_label_choices(answers: Any, labels: Any, missing: Any, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    names = ["joy", "fear"] * 10 + ["Joy", "nan"]
    path.write_text("text,label\n" + "".join(f"a text {n},{one}\n" for n, one in enumerate(names)))
    said: list[str] = []
    with without_git():
        root = generator.new(
            tmp_path / "proj", answers, data=path, git=False, wheel=False, say=said.append
        )
    written = yaml.safe_load((root / "datasets/dataset.yaml").read_text())
    assert (written["labels"], written.get("missing_labels")) == (labels, missing)
    assert f"({', '.join(labels)})" in said[0]
    stored = yaml.safe_load((root / ".copier-answers.yml").read_text())
    assert not {"label_variants", "missing_labels", "prompt", "answer"} & set(stored)
