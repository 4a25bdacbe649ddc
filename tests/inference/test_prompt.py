"""prompt.json: what it refuses, and how text becomes messages."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from phi3scaffold.models.prompt import Prompt, special_tokens
from phi3scaffold.project.errors import ScaffoldError

ONE = Prompt(
    task="classify",
    user="{phrase}\nTone:",
    columns=("phrase",),
    stop=(7, 3),
    labels=("joy", "fear"),
    max_new_tokens=9,
    demonstration=True,
    model="tiny",
)
TWO = dataclasses.replace(
    ONE, user="{text} {{x}} {question}?", columns=("text", "question"), system="Be brief."
)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = TWO.save(tmp_path)
    first = path.read_bytes()
    assert Prompt.load(tmp_path) == TWO
    TWO.save(tmp_path)
    assert path.read_bytes() == first
    assert "\r" not in first.decode() and json.loads(first)["stop"] == [7, 3]


def test_text_fills_the_column() -> None:
    assert ONE.messages("What a day!") == [{"role": "user", "content": "What a day!\nTone:"}]


def test_each_column_is_filled_once_and_other_braces_stay() -> None:
    messages = TWO.messages({"text": "{question}", "question": "{text} {0}"})
    assert messages == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "{question} {{x}} {text} {0}?"},
    ]


def test_history_stands_between_the_system_and_the_user() -> None:
    history = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    messages = dataclasses.replace(ONE, system="S").messages("c", history)
    assert [m["content"] for m in messages] == ["S", "a", "b", "c\nTone:"]


@pytest.mark.parametrize(
    ("prompt", "values", "message"),
    [
        (TWO, "one text", "--set text=... --set question=..."),
        (TWO, {"text": "x"}, "The column 'question' has no text"),
        (TWO, {"text": "x", "question": "y", "z": ""}, "no column 'z'"),
        (ONE, {}, "The column 'phrase' has no text"),
    ],
)
def test_wrong_columns_are_named(prompt: Prompt, values, message: str) -> None:
    with pytest.raises(ScaffoldError) as error:
        prompt.messages(values)
    assert message in str(error.value)


@pytest.mark.parametrize("text", ["a<|end|>", "x\0y", "half \udcff"])
def test_text_that_would_break_the_prompt_is_refused(text: str) -> None:
    with pytest.raises(ScaffoldError):
        Prompt.check_text(text, ["<|end|>"])


def test_ordinary_text_is_not_refused() -> None:
    Prompt.check_text("<|end |> 😀 <end>", ["<|end|>"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "prompt.json"),
        ("{", "Not valid JSON"),
        (b"\xff", "Not valid JSON"),
        ("[]", "JSON object"),
        ({"user": None}, "user must be text"),
        ({"stop": []}, "stop must be token ids"),
        ({"stop": ["<|end|>"]}, "stop must be token ids"),
        ({"stop": None}, "stop must be token ids"),
        ({"columns": "phrase"}, "columns must be a list"),
        ({"max_new_tokens": 0}, "max_new_tokens must be at least 1"),
        ({"max_new_tokens": True}, "max_new_tokens must be at least 1"),
    ],
)
def test_a_damaged_prompt_json_names_the_place(content, message: str, tmp_path: Path) -> None:
    path = ONE.save(tmp_path)
    if content is None:
        path.unlink()
    elif isinstance(content, dict):
        path.write_text(json.dumps({**json.loads(path.read_text()), **content}))
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ScaffoldError) as error:
        Prompt.load(tmp_path)
    assert message in str(error.value) and str(path) in str(error.value)


def test_every_added_token_is_a_control_token(tmp_path: Path) -> None:
    added = [
        {"id": 5, "content": "<|end|>", "special": True},
        {"id": 6, "content": "</s>", "special": False},
        {"id": 7, "content": "  ", "special": False},
    ]
    (tmp_path / "tokenizer.json").write_text(json.dumps({"added_tokens": added}))
    assert special_tokens(tmp_path) == ("<|end|>", "</s>")


@pytest.mark.parametrize("module", ["models.prompt", "inference.forms", "cli.infer", "cli.chat"])
def test_nothing_heavy_is_imported(module: str) -> None:
    code = f"""
import sys, phi3scaffold.{module}
heavy = {{"torch", "transformers", "olive", "onnxruntime_genai", "numpy", "rich", "copier"}}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_system_turn_with_columns() -> None:
    """A client's own system turn, the columns by name, or none at all."""
    prompt = Prompt("qa", "Q: {q}", ("q", "who"), (1,), system="You are {who}.")
    cook = [
        {"role": "system", "content": "You are a cook."},
        {"role": "user", "content": "Q: x"},
    ]
    assert prompt.messages({"q": "x", "who": "a cook"}) == cook
    assert prompt.messages("x") == prompt.messages({"q": "x"}) == cook[1:]
    assert prompt.conversation([{"role": "user", "content": "x"}]) == cook[1:]
    own = {"role": "system", "content": "Be kind."}
    assert prompt.conversation([own, {"role": "user", "content": "x"}]) == [own, cook[1]]
    spoken = prompt.spoken({"q": "x", "who": "a cook"})
    assert prompt.conversation([{"role": "user", "content": spoken}]) == cook
    assert prompt.spoken({"q": "x"}) == "x"
    assert (prompt.fixed_system, prompt.system_columns) == (None, ("who",))
    with pytest.raises(ScaffoldError, match="'q' has no text"):
        prompt.messages({"who": "a cook"})


def test_braces_of_a_system_turn_that_name_no_column_stay(tmp_path: Path) -> None:
    prompt = Prompt("qa", "{q}", ("q",), (1,), system='Say {"a": 1} to {who}.')
    prompt.save(tmp_path)
    assert Prompt.load(tmp_path).messages("x")[0]["content"] == 'Say {"a": 1} to {who}.'
    assert prompt.fixed_system == prompt.system
