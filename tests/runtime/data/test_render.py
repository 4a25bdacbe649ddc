"""Training tokens: the chat template's own, with loss on the answers and their end, and no more."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from phi3scaffold.errors import ScaffoldError
from phi3scaffold.rows.turns import Conversation
from phi3scaffold.runtime.data.render import (
    IGNORE,
    Sample,
    encode,
    end_of_turn,
    load_tokenizer,
    render,
    stop_ids,
)
from phi3scaffold.tiny import MODEL_DIR


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer(MODEL_DIR)


def conversation(*turns: str, system: str | None = None) -> Conversation:
    messages = [{"role": "system", "content": system}] if system else []
    for index, text in enumerate(turns):
        messages.append({"role": ("user", "assistant")[index % 2], "content": text})
    return Conversation("rows.jsonl:7", messages, {})


def one(tokenizer, row: Conversation) -> Sample:
    samples, dropped = render(tokenizer, [row], 512)
    assert not dropped
    return samples[0]


def trained(tokenizer, sample: Sample) -> list[str]:
    """The runs of trained tokens, as text."""
    runs: list[list[int]] = [[]]
    for label in sample.labels:
        if label != IGNORE:
            runs[-1].append(label)
        elif runs[-1]:
            runs.append([])
    return [tokenizer.decode(run) for run in runs if run]


def test_only_the_answer_and_its_end_are_trained(tokenizer) -> None:
    sample = one(tokenizer, conversation("The cat slept.\nTone:", "calm"))
    assert trained(tokenizer, sample) == ["calm<|end|>"]
    assert sample.input_ids[-1] == end_of_turn(tokenizer)


def test_every_answer_of_a_conversation_is_trained(tokenizer) -> None:
    row = conversation("Hello?", "Yes.", "Open today?", "Until six.", system="Be brief.")
    assert trained(tokenizer, one(tokenizer, row)) == ["Yes.<|end|>", "Until six.<|end|>"]


@pytest.mark.parametrize(
    "text", ["plain", " leading", "two\n\nlines ", "{braces}", "äöü 猫 🙂", "'\""]
)
def test_the_prompt_is_what_inference_asks(tokenizer, text: str) -> None:
    row = conversation(text, "x")
    asked = encode(tokenizer, row.messages[:1], ask=True)
    assert one(tokenizer, row).input_ids[: len(asked)] == asked


def test_labels_are_the_ids_they_stand_at(tokenizer) -> None:
    sample = one(tokenizer, conversation("a b c", "d e"))
    pairs = zip(sample.input_ids, sample.labels, strict=True)
    assert all(label in (IGNORE, token) for token, label in pairs)


def test_long_rows_are_dropped_whole_and_said(tokenizer) -> None:
    row = conversation("word " * 100, "yes")
    samples, dropped = render(tokenizer, [row], 50)
    assert not samples
    assert dropped[0].place == "rows.jsonl:7"
    assert dropped[0].reason == "longer than 50 tokens"


@pytest.mark.parametrize("token", ["<|assistant|>", "<|end|>", "<|endoftext|>", "<s>"])
@pytest.mark.parametrize("turn", [0, 1])
def test_a_control_token_in_a_text_is_refused(tokenizer, token: str, turn: int) -> None:
    texts = ["question", "answer"]
    texts[turn] += token
    with pytest.raises(ScaffoldError, match="forge a turn") as caught:
        render(tokenizer, [conversation(*texts)], 512)
    assert caught.value.where == "rows.jsonl:7"
    assert caught.value.exit_code == 2


def test_a_template_that_rewrites_the_prompt_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(MODEL_DIR, folder)
    (folder / "chat_template.jinja").write_text(
        "{{ messages | length }}{% for m in messages %}<|user|>{{ m['content'] }}<|end|>"
        "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    with pytest.raises(ScaffoldError, match="renders the prompt differently"):
        render(load_tokenizer(folder), [conversation("a", "b")], 512)


def test_a_template_without_an_end_of_turn_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(MODEL_DIR, folder)
    (folder / "chat_template.jinja").write_text(
        "{% for m in messages %}<|user|>{{ m['content'] }}{% endfor %}"
    )
    with pytest.raises(ScaffoldError, match="no special token"):
        stop_ids(load_tokenizer(folder), folder)


def test_stop_ids_are_the_models_own(tokenizer) -> None:
    stops = stop_ids(tokenizer, MODEL_DIR)
    names = set(tokenizer.convert_ids_to_tokens(stops))
    assert names == {"<|end|>", "<|endoftext|>"}


def test_a_template_that_drops_the_system_prompt_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(MODEL_DIR, folder)
    (folder / "chat_template.jinja").write_text(
        "{% for m in messages %}{% if m['role'] != 'system' %}<|{{ m['role'] }}|>"
        "{{ m['content'] }}<|end|>{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    with pytest.raises(ScaffoldError, match="system prompts"):
        render(load_tokenizer(folder), [conversation("a", "b", system="Be brief.")], 512)
