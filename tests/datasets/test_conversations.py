"""Rows become conversations, as dataset.yaml says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from phi3scaffold.datasets.conversations import Conversation, DroppedRow, conversation
from phi3scaffold.datasets.message_format import Messages
from phi3scaffold.datasets.reader import Row
from phi3scaffold.datasets.spec import DatasetSpec, load_spec
from phi3scaffold.models.column_templates import columns_of, fill
from phi3scaffold.models.prompt import Prompt
from phi3scaffold.project.errors import ScaffoldError

ALPACA = "{instruction}\n{input}"
SCRIPTS = Path(__file__).resolve().parents[2] / "template" / "project" / "inferences"


def spec(folder: Path, **keys: Any) -> DatasetSpec:
    """dataset.yaml with these keys beside those that it must have, loaded."""
    turns = [{"user": "{question}"}, {"assistant": "{answer}"}]
    content = {"task": "qa", "files": {"train": ["rows.jsonl"]}, **keys}
    if "messages" not in keys:
        content.setdefault("turns", turns)
    path = folder / "dataset.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return load_spec(path)


def made(given: DatasetSpec, **values: Any) -> Conversation | DroppedRow:
    return conversation(Row(Path("rows.jsonl"), 7, values), given)


# turn, columns, what becomes of it
FILLED = [
    ("{a}", {"a": "x"}, "x"),
    ("{a} {b} {", {"a": "x"}, "x {b} {"),
    (ALPACA, {"instruction": "Add.", "input": "1 2"}, "Add.\n1 2"),
    (ALPACA, {"instruction": "Sing.", "input": ""}, "Sing."),
    (ALPACA, {"instruction": "Sing.", "input": " \n "}, "Sing."),
    (ALPACA, {"instruction": "", "input": "1 2"}, "1 2"),
    ("{a}\n\n{b}\nTone:", {"a": "x", "b": ""}, "x\n\nTone:"),  # the turn's own empty lines stay
    ("{a}\nContext: {b}", {"a": "x", "b": ""}, "x\nContext: "),  # so does a line with words
    ("{a} {b}\n{c}", {"a": "", "b": " ", "c": "y"}, "y"),
    ("{a}", {"a": "x\n\ny"}, "x\n\ny"),  # empty lines of the text are the text's
    ("{a}", {"a": "{b}\n{c}"}, "{b}\n{c}"),  # and its braces name no column
    ("{a}\n{b}", {"a": "", "b": ""}, ""),
]


@pytest.mark.parametrize(("turn", "columns", "text"), FILLED)
def test_turns_are_filled(turn: str, columns: dict[str, str], text: str) -> None:
    assert fill(turn, columns) == text


@pytest.mark.parametrize("script", ["adapter", "merged", "onnx"])
def test_the_stand_alone_scripts_fill_alike(script: str, tmp_path: Path) -> None:
    """Training, the runtime and the scripts make the same prompt of the same columns."""
    source = (SCRIPTS / f"{script}.py").read_text(encoding="utf-8")
    start = source.index("def fill(")
    names: dict[str, Any] = {"re": re, "json": __import__("json"), "sys": None}
    exec(source[start : source.index("\ndef arguments(")], names)
    (tmp_path / "tokenizer.json").write_text('{"added_tokens": []}')
    for turn, columns, text in FILLED:
        if set(columns) != set(columns_of(turn)) or not any(map(str.strip, columns.values())):
            continue
        prompt = {"user": turn, "columns": list(columns), "system": None}
        added = [] if script == "onnx" else tmp_path
        assert names["fill"](prompt, list(columns.values()), added)[-1]["content"] == text
        whole = Prompt(task="qa", user=turn, columns=columns_of(turn), stop=(1,))
        assert whole.messages(columns)[-1]["content"] == text
    prompt = {"user": "{q}", "columns": ["q", "who"], "system": 'You are {who}. {"a": 1}'}
    whole = Prompt("qa", "{q}", ("q", "who"), (1,), prompt["system"])
    for texts, system in ((["x", "a cook"], ['You are a cook. {"a": 1}']), (["x"], [])):
        messages = names["fill"](prompt, texts, added)
        assert messages == whole.messages(dict(zip(prompt["columns"], texts, strict=False)))
        assert [turn["content"] for turn in messages] == [*system, "x"]


def test_a_row_of_columns(tmp_path: Path) -> None:
    turns = [{"user": ALPACA}, {"assistant": "{output}"}]
    row = made(spec(tmp_path, turns=turns), instruction="Sing.", input="", output="La.", id=1)
    assert row == Conversation(
        "rows.jsonl:7",
        [{"role": "user", "content": "Sing."}, {"role": "assistant", "content": "La."}],
        {"instruction": "Sing.", "input": ""},
    )


def test_a_system_prompt_stands_first_unless_the_row_has_one(tmp_path: Path) -> None:
    row = made(spec(tmp_path, system="Be brief."), question="a", answer="b")
    assert isinstance(row, Conversation)
    assert row.messages[0] == {"role": "system", "content": "Be brief."}
    chat = spec(tmp_path, task="chat", messages="messages", system="Be brief.")
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    own = {"role": "system", "content": "Be kind."}
    for messages, first in ((turns, "Be brief."), ([own, *turns], "Be kind.")):
        row = made(chat, messages=messages)
        assert isinstance(row, Conversation)
        assert [m["content"] for m in row.messages] == [first, "a", "b"]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"question": "a", "answer": ""}, "empty answer"),
        ({"question": "a", "answer": None}, "empty answer"),
        ({"question": " \t", "answer": "b"}, "empty prompt"),
    ],
)
def test_empty_rows_are_dropped(values: dict[str, Any], reason: str, tmp_path: Path) -> None:
    assert made(spec(tmp_path), **values) == DroppedRow("rows.jsonl:7", reason)


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        (["a", None], "empty answer"),
        (["a", " ", "c", "d"], "empty answer"),
        (["a", "b", "", "d"], "empty prompt"),
    ],
)
def test_empty_turns_drop_the_row(texts: list[str | None], reason: str, tmp_path: Path) -> None:
    roles = ("user", "assistant")
    turns = [{"role": roles[n % 2], "content": text} for n, text in enumerate(texts)]
    chat = spec(tmp_path, task="chat", messages="messages")
    assert made(chat, messages=turns) == DroppedRow("rows.jsonl:7", reason)


def test_sharegpt(tmp_path: Path) -> None:
    names = {"human": "user", "gpt": "assistant"}
    form = {"column": "conversations", "role": "from", "content": "value", "names": names}
    given = spec(tmp_path, task="chat", messages=form)
    assert given.messages == Messages("conversations", "from", "value", names)
    said = [("system", "s"), ("human", "a"), ("gpt", "b"), ("user", "c"), ("gpt", "d")]
    turns = [{"from": name, "value": text, "weight": 1} for name, text in said]
    row = made(given, conversations=turns)
    assert isinstance(row, Conversation)
    roles = ["system", "user", "assistant", "user", "assistant"]
    assert [message["role"] for message in row.messages] == roles
    assert "".join(message["content"] for message in row.messages) == "sabcd"


def test_what_dataset_yaml_leaves_out(tmp_path: Path) -> None:
    given = spec(tmp_path)
    assert (given.held_out, given.max_tokens, given.long_rows, given.seed) == (0.2, 512, "drop", 42)
    assert given.train == (tmp_path / "rows.jsonl",)
    assert spec(tmp_path, long_rows="truncate").long_rows == "truncate"
    labels = {"task": "classify", "labels": [1, 2, "three"]}
    assert spec(tmp_path, **labels).labels == ("1", "2", "three")


def test_files_below_datasets_and_on_the_hub(tmp_path: Path) -> None:
    """A folder's files are named one by one; what lies on the hub is pinned by its address."""
    (tmp_path / "more").mkdir()
    for name in ("rows.jsonl", "more/b.csv", "more/a.csv"):
        (tmp_path / name).write_text("x")
    address = f"hf://datasets/org/name@{'0' * 40}/data/train.parquet"
    files = {"train": ["rows.jsonl", address], "held_out": ["./more/"]}
    given = spec(tmp_path, files=files)
    assert given.train == (tmp_path / "rows.jsonl", address)
    assert given.held_out == (tmp_path / "more",)
    assert given.files == tuple(tmp_path / n for n in ("rows.jsonl", "more/a.csv", "more/b.csv"))


def test_history_and_a_system_column(tmp_path: Path) -> None:
    """Alpaca's earlier turns fill the user turn as a question without input does."""
    turns = [{"user": ALPACA}, {"assistant": "{output}"}]
    given = spec(tmp_path, turns=turns, history="history", system="{system}")
    pairs = [["Before?", "Yes."], ["And before?", "No."]]
    for history in (pairs, repr(pairs), '[["Before?", "Yes."], ["And before?", "No."]]'):
        row = made(given, instruction="Now.", output="Done.", system="Mode 0.", history=history)
        assert isinstance(row, Conversation)
        texts = ["Mode 0.", "Before?", "Yes.", "And before?", "No.", "Now.", "Done."]
        assert [turn["content"] for turn in row.messages] == texts
        assert row.learned == [2, 4, 6]
        assert row.notes == ("history", "history")
    for history in (None, [], "", "[]"):
        row = made(given, instruction="Now.", input="", output="Done.", history=history)
        assert isinstance(row, Conversation)
        assert [turn["content"] for turn in row.messages] == ["Now.", "Done."]


@pytest.mark.parametrize("history", ["so so", [["only one"]], [["a", ""]], ["a", "b"], {"a": "b"}])
def test_a_history_that_is_no_pairs_is_refused(history: Any, tmp_path: Path) -> None:
    given = spec(tmp_path, history="history")
    with pytest.raises(ScaffoldError, match="'history' must be a list of pairs") as caught:
        made(given, question="a", answer="b", history=history)
    assert caught.value.where == "rows.jsonl:7"


def test_a_column_of_several_that_a_row_lacks_is_empty(tmp_path: Path) -> None:
    turns = [{"user": ALPACA}, {"assistant": "{output}"}]
    given = spec(tmp_path, turns=turns)
    texts = []
    for values in ({}, {"input": None}, {"input": ""}, {"input": float("nan")}):
        row = made(given, instruction="Sing.", output="La.", **values)
        assert isinstance(row, Conversation)
        texts.append(row.messages[0]["content"])
    assert texts == ["Sing."] * 4
    with pytest.raises(ScaffoldError, match="lacks the column 'input'") as caught:
        made(given, instruction="Sing.", Input="x", output="La.")
    assert "did you mean 'Input'?" in str(caught.value.fix)
