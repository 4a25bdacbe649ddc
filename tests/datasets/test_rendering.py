"""Training tokens: the chat template's own, with loss on the answers and their end, and no more."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from phi3scaffold.datasets.conversations import Conversation, DroppedRow
from phi3scaffold.datasets.readings import readings_text
from phi3scaffold.datasets.rendering import IGNORE, Rendered, Renderer
from phi3scaffold.models.catalogue import tiny_folder
from phi3scaffold.models.chat_template import encode, end_of_turn, load_tokenizer, stop_ids
from phi3scaffold.models.column_templates import fill
from phi3scaffold.project.errors import ScaffoldError


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer(tiny_folder())


def conversation(*turns: str, system: str | None = None) -> Conversation:
    messages = [{"role": "system", "content": system}] if system else []
    for index, text in enumerate(turns):
        messages.append({"role": ("user", "assistant")[index % 2], "content": text})
    return Conversation("rows.jsonl:7", messages, {})


def one(tokenizer, row: Conversation) -> Rendered:
    (sample,) = Renderer(Path(tokenizer.name_or_path), 512).render([row])
    assert isinstance(sample, Rendered)
    return sample


def trained(tokenizer, sample: Rendered) -> list[str]:
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
    asked = encode(tokenizer, row.messages[:1], to_answer=True)
    assert one(tokenizer, row).input_ids[: len(asked)] == asked


def test_labels_are_the_ids_they_stand_at(tokenizer) -> None:
    sample = one(tokenizer, conversation("a b c", "d e"))
    pairs = zip(sample.input_ids, sample.labels, strict=True)
    assert all(label in (IGNORE, token) for token, label in pairs)


def test_long_rows_are_dropped_whole_and_said(tokenizer) -> None:
    row = conversation("word " * 100, "yes")
    (dropped,) = Renderer(tiny_folder(), 50).render([row])
    assert isinstance(dropped, DroppedRow)
    assert dropped.place == "rows.jsonl:7"
    assert dropped.reason == "longer than 50 tokens"


@pytest.mark.parametrize("token", ["<|assistant|>", "<|end|>", "<|endoftext|>", "<s>"])
@pytest.mark.parametrize("turn", [0, 1])
def test_a_control_token_in_a_text_is_refused(tokenizer, token: str, turn: int) -> None:
    texts = ["question", "answer"]
    texts[turn] += token
    with pytest.raises(ScaffoldError, match="forge a turn") as caught:
        Renderer(tiny_folder(), 512).render([conversation(*texts)])
    assert caught.value.where == "rows.jsonl:7"
    assert caught.value.exit_code == 2


def test_a_template_that_rewrites_the_prompt_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_folder(), folder)
    (folder / "chat_template.jinja").write_text(
        "{{ messages | length }}{% for m in messages %}<|user|>{{ m['content'] }}<|end|>"
        "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    with pytest.raises(ScaffoldError, match="renders the prompt differently"):
        Renderer(folder, 512).render([conversation("a", "b")])


# As Qwen3's: an earlier answer has no thoughts before it.
LAST_THINKS = (
    "{% for m in messages %}<|{{ m['role'] }}|>{% if loop.last and m['role'] == 'assistant' %}"
    "(none)\n{% endif %}{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>(none)\n{% endif %}"
)


def test_earlier_answers_that_are_written_otherwise_are_not_learned(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_folder(), folder)
    (folder / "chat_template.jinja").write_text(LAST_THINKS)
    tokenizer = load_tokenizer(folder)
    texts = ("Hello?", "Yes.", "Open today?", "Until six.", "Thank you.", "Welcome.")
    sample = one(tokenizer, conversation(*texts))
    assert trained(tokenizer, sample) == ["Welcome.<|end|>"]
    assert sample.conversation.shown == (1, 3)
    said = readings_text(dict.fromkeys(set(sample.conversation.notes), 2))
    assert said == (
        "2 assistant turns are shown but not learned: the model's chat template writes an answer "
        "differently once another turn follows"
    )
    assert one(tokenizer, conversation(*texts[:2])).conversation.shown == ()


def test_a_template_without_an_end_of_turn_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_folder(), folder)
    (folder / "chat_template.jinja").write_text(
        "{% for m in messages %}<|user|>{{ m['content'] }}{% endfor %}"
    )
    with pytest.raises(ScaffoldError, match="no special token"):
        stop_ids(load_tokenizer(folder), folder)


def test_stop_ids_are_the_models_own(tokenizer) -> None:
    stops = stop_ids(tokenizer, tiny_folder())
    names = set(tokenizer.convert_ids_to_tokens(stops))
    assert names == {"<|end|>", "<|endoftext|>"}


def test_a_template_that_drops_the_system_prompt_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_folder(), folder)
    (folder / "chat_template.jinja").write_text(
        "{% for m in messages %}{% if m['role'] != 'system' %}<|{{ m['role'] }}|>"
        "{{ m['content'] }}<|end|>{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    with pytest.raises(ScaffoldError, match="system prompts"):
        Renderer(folder, 512).render([conversation("a", "b", system="Be brief.")])


def long_row(words: int) -> Conversation:
    text = " ".join(f"word{number}" for number in range(words))
    values = {"text": text, "kind": "note"}
    user = "Sort this {kind}: {text}\nTone:"
    return replace(conversation(fill(user, values), "calm"), values=values)


def test_a_long_prompt_loses_its_beginning_and_keeps_the_turns_own_words() -> None:
    renderer = Renderer(tiny_folder(), 60, "truncate", "Sort this {kind}: {text}\nTone:")
    (row,) = renderer.render([long_row(100)])
    assert isinstance(row, Rendered)
    assert row.truncated
    assert 50 <= len(row.input_ids) <= 60
    asked = row.conversation.messages[0]["content"]
    assert asked.startswith("Sort this note: word")
    assert asked.endswith("word99\nTone:")
    assert trained(renderer.tokenizer, row) == ["calm<|end|>"]
    assert row.conversation.values["text"] in asked


def test_a_shortened_row_is_asked_as_it_was_trained() -> None:
    renderer = Renderer(tiny_folder(), 60, "truncate", "Sort this {kind}: {text}\nTone:")
    (row,) = renderer.render([long_row(100)])
    assert isinstance(row, Rendered)
    asked = encode(renderer.tokenizer, row.conversation.messages[:-1], to_answer=True)
    assert row.input_ids[: len(asked)] == asked


def test_a_long_conversation_loses_its_oldest_turns() -> None:
    turns = [f"turn {number} " + "word " * 8 for number in range(10)]
    (row,) = Renderer(tiny_folder(), 90, "truncate").render(
        [conversation(*turns, system="Be brief.")]
    )
    assert isinstance(row, Rendered)
    said = [message["content"] for message in row.conversation.messages]
    assert said[0] == "Be brief."
    assert said[1:] == turns[-len(said) + 1 :]
    assert len(said) % 2 == 1
    assert len(row.input_ids) <= 90


def test_rows_that_fit_are_left_as_they_are() -> None:
    rows = [conversation("a", "b"), long_row(5)]
    plain = Renderer(tiny_folder(), 60).render(rows)
    assert Renderer(tiny_folder(), 60, "truncate", "{text}").render(rows) == plain


@pytest.mark.parametrize("user", ["", "{text}"])
def test_an_answer_is_never_cut(user: str) -> None:
    row = replace(conversation("why", "because " * 50), values={"text": "why"})
    (dropped,) = Renderer(tiny_folder(), 40, "truncate", user).render([row])
    assert isinstance(dropped, DroppedRow)
    assert "answer alone" in dropped.reason


@pytest.mark.parametrize("long_rows", ["drop", "truncate"])
def test_megabytes_in_a_row_take_no_time(long_rows: str) -> None:
    row = conversation("word " * 2_000_000, "yes")
    began = time.monotonic()
    (made,) = Renderer(tiny_folder(), 60, long_rows).render([row])
    assert isinstance(made, DroppedRow if long_rows == "drop" else Rendered)
    assert time.monotonic() - began < 20  # tokenized whole, it would be minutes
