"""Rows are read with the line they came from, and their columns are guessed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phi3scaffold.errors import ScaffoldError
from phi3scaffold.generator.guess import guess
from phi3scaffold.generator.rows import read_rows

TONES = [{"phrase": "I smiled.", "tone": "joy"}, {"phrase": "I wept.", "tone": "sadness"}] * 2
TURNS = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]

GUESSED = [
    ("classify", TONES, "{phrase}\nTone:", "{tone}", ("joy", "sadness")),
    (
        "classify",
        [{"id": "1", "text": "Good.", "label": "pos"}, {"id": "2", "text": "Bad.", "label": "neg"}],
        "{text}\nLabel:",
        "{label}",
        ("neg", "pos"),
    ),
    (
        "classify",  # no telling name at all: the few values are the label, the long text the text
        [{"a": f"a rather long text {n}", "b": "xy"[n % 2]} for n in range(6)],
        "{a}\nB:",
        "{b}",
        ("x", "y"),
    ),
    ("qa", [{"Question": "Why?", "Best Answer": "So."}], "{Question}", "{Best Answer}", ()),
    ("qa", [{"prompt": "Why?", "completion": "So."}], "{prompt}", "{completion}", ()),
    ("qa", [{"input": "Why?", "output": "So."}], "{input}", "{output}", ()),
    (
        "qa",
        [{"instruction": "Add.", "input": "1 2", "output": "3"}],
        "{instruction}\n{input}",
        "{output}",
        (),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("task", "rows", "user", "assistant", "labels"), GUESSED)
def test_columns(
    task: str, rows: Any, user: str, assistant: str, labels: Any, write_rows: Callable[..., Path]
) -> None:
    found = guess(write_rows(rows), task)
    assert (found.user, found.assistant, found.labels) == (user, assistant, labels)
    assert all(f"{{{column}}}" in user for column in found.columns)
    assert found.count == len(rows)


def test_chat(write_rows: Callable[..., Path]) -> None:
    found = guess(write_rows([{"messages": TURNS}]), "chat")
    assert (found.messages, found.user) == ("messages", None)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.csv", "phrase,tone\nI smiled.,joy\nI wept.,sadness\n"),
        ("rows.tsv", "phrase\ttone\r\nI smiled.\tjoy\r\nI wept.\tsadness\r\n"),
        ("rows.csv", '\ufeffphrase,tone\n"I\nsmiled, once.",joy\nI wept.,sadness\n'),
        ("rows.json", '[{"phrase": "I smiled.", "tone": "joy"}, {"phrase": "x", "tone": "fear"}]'),
        ("rows.jsonl", '{"phrase": "a\u2028b", "tone": "joy"}\n\n{"phrase": "x", "tone": "fear"}'),
    ],
)
def test_formats(name: str, content: str, write_rows: Callable[..., Path]) -> None:
    path = write_rows(content, name)
    assert [list(row.values) for row in read_rows(path)] == [["phrase", "tone"]] * 2
    assert guess(path, "classify").assistant == "{tone}"


# task, content, name, where (None: the file itself), what the message says
REFUSED = [
    ("classify", "", "rows.jsonl", None, "empty"),
    ("classify", " \n\n", "rows.jsonl", None, "empty"),
    ("classify", "[]", "rows.json", None, "no rows"),
    ("classify", "phrase,tone\n", "rows.csv", None, "no rows"),
    ("classify", "PAR1", "rows.parquet", None, ".jsonl, .json, .csv, .tsv"),
    ("classify", '{"phrase": "a", "tone": "joy"}\n{"phrase": \n', "rows.jsonl", ":2", "Not JSON"),
    ("classify", '[\n{"phrase": "a",\n]', "rows.json", ":3", "Not JSON"),
    ("classify", '{"phrase": "a"}', "rows.json", None, "list"),
    ("classify", "[1]\n", "rows.jsonl", ":1", "object"),
    ("classify", b'{"phrase": "a"}\n{"phrase": "\xff"}\n', "rows.jsonl", ":2", "UTF-8"),
    ("classify", "phrase,tone\na,joy\nb\n", "rows.csv", ":3", "1 cells"),
    ("classify", 'phrase,tone\n"a,joy\n', "rows.csv", ":2", "csv"),
    ("classify", "phrase,phrase\na,joy\n", "rows.csv", ":1", "once"),
    ("classify", [{"phrase": "a", "tone": "joy"}, {"phrase": "b"}], "rows.jsonl", ":2", "'tone'"),
    ("classify", [{"phrase": "a", "tone": "joy"}] * 3, "rows.jsonl", None, "only one label"),
    ("classify", [{"phrase": "a", "tone": n} for n in (1, 2)], "rows.jsonl", ":1", "int"),
    ("classify", [{"phrase": "a"}] * 3, "rows.jsonl", None, "needs a text column and a label"),
    ("classify", [{"text": "a", "label": f"{n}"} for n in range(60)], "rows.jsonl", None, "60 dif"),
    ("classify", [{"messages": TURNS}], "rows.jsonl", None, "needs a text and a label"),
    ("qa", TONES, "rows.jsonl", None, "needs a question"),
    ("qa", [{"question": "", "answer": "b"}], "rows.jsonl", ":1", "empty in every row"),
    ("qa", [{"question": ["a"], "answer": "b"}], "rows.jsonl", ":1", "list, not text"),
    ("chat", TONES, "rows.jsonl", None, "`messages`"),
    ("chat", [{"messages": "hi"}], "rows.jsonl", ":1", "list of turns"),
    ("chat", [{"messages": TURNS}, {"messages": [{"role": "bot"}]}], "rows.jsonl", ":2", "role"),
    ("chat", [{"messages": TURNS[:1]}], "rows.jsonl", ":1", "end with assistant"),
]  # fmt: skip


@pytest.mark.parametrize(("task", "content", "name", "line", "says"), REFUSED)
def test_refused(
    task: str,
    content: Any,
    name: str,
    line: str | None,
    says: str,
    write_rows: Callable[..., Path],
) -> None:
    path = write_rows(content, name)
    with pytest.raises(ScaffoldError) as caught:
        guess(path, task)
    assert says in caught.value.what
    assert caught.value.where == f"{path}{line or ''}"
    assert caught.value.exit_code == 2


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ScaffoldError, match="does not exist"):
        guess(tmp_path / "none.jsonl", "qa")
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(ScaffoldError, match="one file"):
        guess(tmp_path / "folder.jsonl", "qa")


@pytest.mark.parametrize(
    ("given", "rows", "fitting"),
    [
        ("classify", [{"messages": TURNS}], "chat"),
        ("qa", TONES, "classify"),
        ("chat", [{"question": "a", "answer": "b"}], "qa"),
    ],
)
def test_the_task_that_fits_is_named(
    given: str, rows: Any, fitting: str, write_rows: Callable[..., Path]
) -> None:
    with pytest.raises(ScaffoldError) as caught:
        guess(write_rows(rows), given)
    assert caught.value.fix is not None
    assert f"--task {fitting}" in caught.value.fix
