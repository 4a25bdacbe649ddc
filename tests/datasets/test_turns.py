"""Every usual way to write a conversation, and which of its words are learned."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from phi3scaffold.datasets.conversations import Conversation, DroppedRow, conversation
from phi3scaffold.datasets.findings import findings
from phi3scaffold.datasets.message_format import Messages
from phi3scaffold.datasets.reader import Row
from phi3scaffold.datasets.rendering import IGNORE, Rendered, Renderer
from phi3scaffold.datasets.spec import DatasetSpec
from phi3scaffold.models.catalogue import tiny_folder
from phi3scaffold.project.errors import ScaffoldError

USER = {"role": "user", "content": "Q"}
ANSWER = {"role": "assistant", "content": "A"}
SHAREGPT = Messages("conversations", "from", "value", {"human": "user", "gpt": "assistant"})
GEMINI = Messages("contents", "role", "parts", {"model": "assistant"})
TRL = Messages("completion", prompt="prompt")
CHAT = Messages("messages")


class Kind(NamedTuple):
    """One way to write a row.

    Attributes:
        values: the row.
        form: how it is written.
        learned: the texts that are learned.
        shown: the texts of the other turns, in their order.
        notes: what is said about it.
    """

    name: str
    values: dict[str, Any]
    form: Messages
    learned: list[str]
    shown: list[str]
    notes: tuple[str, ...] = ()
    system: str | None = None


def say(role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def gpt(name: str, value: str, **more: Any) -> dict[str, Any]:
    return {"from": name, "value": value, **more}


def talk(*turns: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"messages": list(turns), **more}


DRAFT = [USER, say("assistant", "BAD", weight=0), say("user", "R")]
KINDS = [
    Kind("plain", talk(USER, ANSWER), CHAT, ["A"], ["Q"]),
    Kind("weight 0", talk(*DRAFT, say("assistant", "A", weight=1)), CHAT, ["A"], ["Q", "BAD", "R"],
        ("weight: 0",)),
    Kind("weight of every turn", talk({**USER, "weight": 1}, {**ANSWER, "weight": 1.0}), CHAT,
        ["A"], ["Q"]),
    Kind("weight null", talk(USER, {**ANSWER, "weight": None}), CHAT, ["A"], ["Q"]),
    Kind("train false", talk(USER, say("assistant", "BAD", train=False), say("user", "R"),
        say("assistant", "A", train=True)), CHAT, ["A"], ["Q", "BAD", "R"], ("train: false",)),
    Kind("training false", talk(USER, say("assistant", "BAD", training=False), say("user", "R"),
        ANSWER), CHAT, ["A"], ["Q", "BAD", "R"], ("training: false",)),
    Kind("loss false", {"conversations": [gpt("human", "Q", loss=None), gpt("gpt", "BAD",
        loss=False), gpt("human", "R", loss=None), gpt("gpt", "A", loss=True)]}, SHAREGPT,
        ["A"], ["Q", "BAD", "R"], ("loss: false",)),
    Kind("masked", talk(USER, say("assistant", "BAD", masked=True), say("user", "R"), ANSWER),
        CHAT, ["A"], ["Q", "BAD", "R"], ("masked: true",)),
    Kind("the learned turn first", talk(USER, ANSWER, say("user", "R"), say("assistant", "BAD",
        weight=0)), CHAT, ["A"], ["Q"], ("cut", "cut")),
    Kind("two learned turns", talk(USER, ANSWER, say("user", "R"), say("assistant", "B")), CHAT,
        ["A", "B"], ["Q", "R"]),
    Kind("ends with the user", talk(USER, ANSWER, say("user", "Thanks")), CHAT, ["A"], ["Q"],
        ("cut",)),
    Kind("the user twice", talk(USER, say("user", "and more"), ANSWER), CHAT, ["A"],
        ["Q\n\nand more"], ("joined",)),
    Kind("the assistant twice", talk(USER, ANSWER, say("assistant", "B")), CHAT, ["A\n\nB"],
        ["Q"], ("joined",)),
    Kind("developer", talk(say("developer", "S"), USER, ANSWER), CHAT, ["A"], ["S", "Q"]),
    Kind("a system turn in the middle", talk(USER, ANSWER, say("system", "S"), say("user", "R"),
        say("assistant", "B")), CHAT, ["A", "B"], ["Q", "S", "R"]),
    Kind("parts", talk(say("user", [{"type": "text", "text": "Q"}, {"type": "text", "text": "R"}]),
        say("assistant", [{"type": "text", "text": "A", "image_url": None}])), CHAT,
        ["A"], ["QR"], ("parts", "parts")),
    Kind("Gemini", {"contents": [{"role": "user", "parts": [{"text": "Q"}]}, {"role": "model",
        "parts": [{"text": "A"}]}], "systemInstruction": {"role": "system", "parts":
        [{"text": "S"}]}}, GEMINI, ["A"], ["S", "Q"], ("parts", "parts"), "{systemInstruction}"),
    Kind("TRL's prompt and completion", {"prompt": [say("system", "S"), USER],
        "completion": [ANSWER]}, TRL, ["A"], ["S", "Q"]),
    Kind("an answer in the prompt", {"prompt": [USER, say("assistant", "BAD"), say("user", "R")],
        "completion": [ANSWER]}, TRL, ["A"], ["Q", "BAD", "R"], ("prompt",)),
    Kind("JSON in a cell", {"messages": json.dumps([USER, ANSWER])}, CHAT, ["A"], ["Q"],
        ("text",)),
    Kind("Python in a cell", {"messages": repr([USER, {**ANSWER, "weight": None}])}, CHAT, ["A"],
        ["Q"], ("text",)),
    Kind("a system column", {"conversations": [gpt("human", "Q"), gpt("gpt", "A")],
        "system": "S"}, SHAREGPT, ["A"], ["S", "Q"], (), "{system}"),
    Kind("a system column in words", talk(USER, ANSWER, who="a cook"), CHAT, ["A"],
        ["You are a cook.", "Q"], (), "You are {who}."),
    Kind("a system column that is null", talk(USER, ANSWER, system=None), CHAT, ["A"], ["Q"], (),
        "{system}"),
    Kind("no system column", talk(USER, ANSWER), CHAT, ["A"], ["Q"], (), "{system}"),
    Kind("a system turn of its own", talk(say("system", "own"), USER, ANSWER, system="S"), CHAT,
        ["A"], ["own", "Q"], ("own system",), "{system}"),
    Kind("the same system turn", talk(say("system", "S"), USER, ANSWER, system="S"), CHAT,
        ["A"], ["S", "Q"], (), "{system}"),
    Kind("JSON in a system text", talk(USER, ANSWER), CHAT, ["A"], ['Say {"a": 1}.', "Q"], (),
        'Say {"a": 1}.'),
]  # fmt: skip


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(tiny_folder(), 512)


def read(values: dict[str, Any], form: Messages, system: str | None = None) -> Any:
    spec = DatasetSpec(Path("d.yaml"), "chat", (), 0.2, messages=form, system=system)
    return conversation(Row(Path("rows.jsonl"), 7, values), spec)


def runs(renderer: Renderer, sample: Rendered) -> list[str]:
    """The runs of learned tokens, as text."""
    found: list[list[int]] = [[]]
    for label in sample.labels:
        if label != IGNORE:
            found[-1].append(label)
        elif found[-1]:
            found.append([])
    return [renderer.tokenizer.decode(run) for run in found if run]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_what_is_learned(kind: Kind, renderer: Renderer) -> None:
    row = read(kind.values, kind.form, kind.system)
    assert isinstance(row, Conversation)
    (sample,) = renderer.render([row])
    assert isinstance(sample, Rendered)
    assert runs(renderer, sample) == [f"{text}<|end|>" for text in kind.learned]
    others = [turn["content"] for n, turn in enumerate(row.messages) if n not in row.learned]
    assert others == kind.shown
    assert row.notes == kind.notes
    assert row.answer == kind.learned[-1]
    whole = renderer.tokenizer.decode(sample.input_ids)
    assert all(text in whole for text in kind.shown)


def refused(name: str, turns: Any, says: str, fix: str, turn: str = "turn 2") -> Any:
    return pytest.param(turns, says, fix, turn, id=name)


IMAGE = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
BOTH = [{"type": "text", "text": "Q"}, IMAGE]


@pytest.mark.parametrize(
    ("turns", "says", "fix", "place"),
    [
        refused("half a weight", [USER, {**ANSWER, "weight": 0.5}], "weight: 0.5", "0 or 1"),
        refused("a flag in words", [USER, {**ANSWER, "train": "no"}], "train: 'no'", "true or"),
        refused("train_detail", [USER, {**ANSWER, "train_detail": [{"train": False}]}],
            "'train_detail', which would change", "split the turn"),
        refused("a learned user turn", [{**USER, "train": True}, ANSWER],
            "The turn of the user has train: true", "remove train from", "turn 1"),
        refused("an image", [say("user", BOTH), ANSWER], "kind 'image_url'",
            "remove the part", "turn 1"),
        refused("Gemini's call", [USER, say("assistant", [{"functionCall": {"name": "x"}}])],
            "kind 'functionCall'", "remove the part"),
        refused("a draft and its answer", [USER, {**ANSWER, "weight": 0}, ANSWER],
            "only one is to be learned", "remove one of them", "turn 3"),
        refused("the tool first", [{"role": "tool", "content": "17"}, USER, ANSWER],
            "this one is tool, not user", "remove the row", "turn 1"),
    ],
)  # fmt: skip
def test_what_is_refused(turns: Any, says: str, fix: str, place: str) -> None:
    with pytest.raises(ScaffoldError) as caught:
        read({"messages": turns}, CHAT)
    assert says in caught.value.what
    assert fix in str(caught.value.fix)
    assert caught.value.where == f"rows.jsonl:7: {place}"


def test_a_row_without_a_learned_turn_is_dropped() -> None:
    row = read(talk(USER, {**ANSWER, "weight": 0}), CHAT)
    assert row == DroppedRow("rows.jsonl:7", "no turn that is learned")


def test_a_template_that_moves_a_later_system_turn_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_folder(), folder)
    (folder / "chat_template.jinja").write_text(
        "{% for m in messages %}{% if m.role == 'system' %}<|system|>{{ m.content }}<|end|>"
        "{% endif %}{% endfor %}{% for m in messages %}{% if m.role != 'system' %}<|{{ m.role }}|>"
        "{{ m.content }}<|end|>{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    row = read(talk(USER, ANSWER, say("system", "S"), say("user", "R"), ANSWER), CHAT)
    with pytest.raises(ScaffoldError, match="system turn in the middle") as caught:
        Renderer(folder, 512).render([row])
    assert caught.value.where == "rows.jsonl:7"


def test_what_a_template_refuses_is_told_with_the_row(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_folder(), folder)
    (folder / "chat_template.jinja").write_text("{{ raise_exception('No such thing!') }}")
    with pytest.raises(ScaffoldError, match="No such thing!") as caught:
        Renderer(folder, 512).render([read(talk(USER, ANSWER), CHAT)])
    assert caught.value.where == "rows.jsonl:7"


CHAT_YAML = "task: chat\nfiles: {train: [train.jsonl], held_out: 0.25}\nmessages: messages\n"


def test_the_report_says_what_was_read(make) -> None:
    rows = [
        talk(say("user", f"Hello {n} {'abcdefghij'[n] * 9}"), say("assistant", "BAD", weight=0),
            say("user", "Again"), say("user", "please"), say("assistant", f"A {n}"),
            say("user", "Thanks"))
        for n in range(8)
    ]  # fmt: skip
    report = make(rows, CHAT_YAML).report
    assert report["readings"] == {
        "joined": {"rows": 8, "times": 8},
        "cut": {"rows": 8, "times": 8},
        "weight: 0": {"rows": 8, "times": 8},
    }
    (found,) = [each for each in findings(report) if each.name == "as read"]
    assert "8 assistant turns are shown but not learned: weight: 0" in found.message
    assert "8 turns are joined with the previous turn of the same speaker" in found.message
    assert report["unused"] == {"columns": {}, "turn_keys": {}}


def test_held_out_rows_ask_for_the_last_learned_turn(make) -> None:
    """What was stored is what evaluation and inference read."""
    from phi3scaffold.datasets.prepared_rows import HELD_OUT, Prepared

    rows = [
        talk(say("user", f"Hello {'abcdefghij'[n] * 9}"), say("assistant", "BAD", weight=0),
            say("user", "Again"), say("assistant", f"A {n}"), say("user", "R"),
            say("assistant", "WORSE", weight=0))
        for n in range(8)
    ]  # fmt: skip
    prepared = Prepared(make(rows, CHAT_YAML).folder, HELD_OUT)
    for index in range(len(prepared)):
        row = prepared.conversation(index)
        assert [turn["content"] for turn in row.messages][1::2] == ["BAD", row.answer]
        assert row.answer.startswith("A ")
        assert (row.shown, row.learned) == ((1,), [3])
