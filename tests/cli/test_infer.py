"""`infer` and `chat`, with a form that needs no model."""

from __future__ import annotations

import builtins
import io
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from phi3scaffold.__main__ import VERBS
from phi3scaffold.cli import infer, main
from phi3scaffold.rows.turns import Conversation
from phi3scaffold.runtime.data.prepared import HELD_OUT, file_of, pack_conversation, schema
from phi3scaffold.runtime.forms.form import Form
from phi3scaffold.runtime.prompt import Prompt

QA = Prompt(task="qa", user="Q: {q}", columns=("q",), stop=(1,), max_new_tokens=40)
CHAT = Prompt(task="chat", user="{message}", columns=("message",), stop=(1,), max_new_tokens=20)
TWO = Prompt(task="qa", user="{a}-{b}", columns=("a", "b"), stop=(1,), max_new_tokens=20)


class Echo(Form):
    """Answers with the last message in capitals; a token is a character."""

    context = 200

    def __init__(self, prompt: Prompt, interrupt_after: int | None = None) -> None:
        self.name, self.prompt = "onnx", prompt
        self.special_tokens = ("<|end|>",)
        self._stop = frozenset(prompt.stop)
        self.asked: list[list[dict[str, str]]] = []
        self.interrupt_after = interrupt_after

    def _encode(self, messages: list[dict[str, str]]) -> list[int]:
        self.asked.append(messages)
        return [ord(c) for c in "|".join(m["content"] for m in messages)]

    def _decode(self, ids: Sequence[int]) -> str:
        return "".join(map(chr, ids))

    def _tokens(self, ids: list[int], room: int) -> Iterator[int]:
        answer = self._decode(ids).rpartition("|")[2].upper()
        for count, character in enumerate(answer[:room]):
            if count == self.interrupt_after:
                self.interrupt_after = None
                raise KeyboardInterrupt
            yield ord(character)

    def _batch(self, batch: list[list[int]], room: int) -> list[list[int]]:
        return [list(self._tokens(ids, room)) for ids in batch]

    def _score(self, prompts, continuations):
        return iter(())  # it has no logits

    def close(self) -> None:
        pass


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "project.yaml").write_text("model: {id: tiny}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    return tmp_path


@pytest.fixture
def use(project: Path, monkeypatch: pytest.MonkeyPatch):
    """`use(prompt)`: what open_form gives from now on."""

    def use(prompt: Prompt, **options: int) -> Echo:
        form = Echo(prompt, **options)
        monkeypatch.setattr(infer, "open_form", lambda name, project, adapter: form)
        return form

    return use


def held_out(project: Path) -> None:
    messages = [
        {"role": "user", "content": "two\nlines"},
        {"role": "assistant", "content": "TWO"},
    ]
    path = project / "gen-model" / "data" / file_of(HELD_OUT)
    path.parent.mkdir(parents=True)
    row = {
        "place": "rows.jsonl:1",
        "conversation": pack_conversation(Conversation("rows.jsonl:1", messages, {})),
        "input_ids": [1, 2],
        "labels": [-100, 2],
    }
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema()) as writer:
        writer.write_table(pa.Table.from_pylist([row], schema()))


def test_the_answer_alone_is_on_standard_output(use, capsys) -> None:
    use(QA)
    assert main(VERBS, ["infer", "hello"]) == 0
    assert capsys.readouterr().out == "Q: HELLO\n"


def test_the_text_may_come_from_standard_input(use, monkeypatch, capsys) -> None:
    use(QA)
    monkeypatch.setattr(sys, "stdin", io.StringIO("a line\nand another\n"))
    assert main(VERBS, ["infer"]) == 0
    assert capsys.readouterr().out == "Q: A LINE\nAND ANOTHER\n"


@pytest.mark.parametrize("arguments", [[], ["--example"]])
def test_without_a_text_the_first_held_out_row_is_answered(
    arguments: list[str], use, project: Path, capsys
) -> None:
    use(QA)
    held_out(project)
    assert main(VERBS, ["infer", *arguments]) == 0
    out, err = capsys.readouterr()
    assert out == "TWO\nLINES\n"
    assert "  two\n  lines\n" in err and "expected: TWO" in err


def test_without_a_text_and_a_row_the_message_says_what_to_do(use, capsys) -> None:
    use(QA)
    assert main(VERBS, ["infer"]) == 2
    err = capsys.readouterr().err
    assert "no text to answer" in err and "phi3scaffold data" in err


@pytest.mark.parametrize("content", [b"", b"no arrow"])
def test_damaged_held_out_rows_are_a_message(content: bytes, use, project: Path, capsys) -> None:
    use(QA)
    held_out(project)
    (project / "gen-model" / "data" / file_of(HELD_OUT)).write_bytes(content)
    assert main(VERBS, ["infer"]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_several_columns_are_named(use, capsys) -> None:
    use(TWO)
    assert main(VERBS, ["infer", "--set", "b=x=y", "--set", "a=1"]) == 0
    assert capsys.readouterr().out == "1-X=Y\n"


def test_json_says_how_it_ended(use, capsys) -> None:
    use(QA)
    assert main(VERBS, ["infer", "--json", "--max-new-tokens", "4", "hello"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["answer"] == "Q: H" and found["finish"] == "length"
    assert found["prompt_tokens"] == 8 and found["answer_tokens"] == 4
    assert main(VERBS, ["infer", "--json", "hi"]) == 0
    assert json.loads(capsys.readouterr().out)["finish"] == "stop"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["x", "--set", "q=y"], "either a text or --set"),
        (["x", "--example"], "--example brings its own text"),
        (["--set", "q"], "COLUMN=TEXT"),
        (["--set", "q=1", "--set", "q=2"], "twice"),
        (["--set", "z=1"], "no column 'z'"),
        (["a <|end|> b"], "control token <|end|>"),
        (["x" * 300], "at most 200"),
    ],
)
def test_mistakes_are_one_message(arguments: list[str], message: str, use, capsys) -> None:
    use(QA)
    assert main(VERBS, ["infer", *arguments]) == 2
    out, err = capsys.readouterr()
    assert message in err and "Traceback" not in err and not out.strip()


def test_an_adapter_is_chosen_for_the_form_that_can_swap_it(use, project: Path, capsys) -> None:
    use(QA)
    assert main(VERBS, ["infer", "--adapter", "tone", "x"]) == 2
    assert "--form onnx-adapter --adapter tone" in capsys.readouterr().err
    assert main(VERBS, ["infer", "--form", "onnx-adapter", "--adapter", "tone", "x"]) == 0


@pytest.mark.parametrize("option", [["--form", "gguf"], ["--max-new-tokens", "0"]])
def test_unknown_option_values_are_refused(option: list[str], use) -> None:
    use(QA)
    with pytest.raises(SystemExit) as error:
        main(VERBS, ["infer", *option, "x"])
    assert error.value.code == 2


def test_a_missing_form_names_the_verb_that_makes_it(project: Path, capsys) -> None:
    assert main(VERBS, ["infer", "x"]) == 2
    err = capsys.readouterr().err
    assert "phi3scaffold export" in err and "Traceback" not in err


def test_a_demonstration_model_says_so(use, capsys) -> None:
    use(Prompt("qa", "{q}", ("q",), (1,), demonstration=True, model="tiny"))
    main(VERBS, ["infer", "x"])
    out, err = capsys.readouterr()
    assert "demonstration model (tiny)" in err and "demonstration" not in out


def test_ctrl_c_ends_infer_without_a_traceback(use, capsys) -> None:
    use(QA, interrupt_after=2)
    assert main(VERBS, ["infer", "x"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_bytes_that_are_no_text_are_a_message(project: Path) -> None:
    held_out(project)
    run = [sys.executable, "-m", "phi3scaffold", "infer"]
    done = subprocess.run(run, input=b"\xff\xfe", capture_output=True, cwd=project, check=False)
    assert done.returncode == 2 and b"Traceback" not in done.stderr


# ---------------------------------------------------------------- chat


def say(monkeypatch: pytest.MonkeyPatch, *lines: str | type[BaseException]) -> list[str]:
    """What the user types; returns the prompts he is shown."""
    typed, shown = iter(lines), []

    def answer(prompt: str = "") -> str:
        shown.append(prompt)
        line = next(typed, EOFError)
        if isinstance(line, str):
            return line
        raise line

    monkeypatch.setattr(builtins, "input", answer)
    return shown


def test_a_chat_remembers(use, monkeypatch, capsys) -> None:
    form = use(CHAT)
    shown = say(monkeypatch, "one", "", "two")
    assert main(VERBS, ["chat"]) == 0
    assert capsys.readouterr().out == "ONE\nTWO\n\n"
    assert [m["content"] for m in form.asked[-1]] == ["one", "ONE", "two"]
    assert [m["role"] for m in form.asked[-1]] == ["user", "assistant", "user"]
    assert set(shown) == {"you> "}


def test_each_prompt_of_other_tasks_stands_alone(use, monkeypatch, capsys) -> None:
    form = use(QA)
    shown = say(monkeypatch, "one", "two", "/exit", "three")
    assert main(VERBS, ["chat"]) == 0
    assert [m["content"] for m in form.asked[-1]] == ["Q: two"]
    assert shown == ["q> "] * 3
    assert "stands alone" in capsys.readouterr().err


def test_several_columns_are_asked_in_turn(use, monkeypatch, capsys) -> None:
    use(TWO)
    shown = say(monkeypatch, "x", "y")
    assert main(VERBS, ["chat"]) == 0
    assert shown == ["a> ", "b> ", "a> "]
    assert capsys.readouterr().out == "X-Y\n\n"


def test_reset_forgets(use, monkeypatch, capsys) -> None:
    form = use(CHAT)
    say(monkeypatch, "one", "/reset", "two")
    main(VERBS, ["chat"])
    assert [m["content"] for m in form.asked[-1]] == ["two"]


def test_ctrl_c_stops_the_answer_not_the_chat(use, monkeypatch, capsys) -> None:
    form = use(CHAT, interrupt_after=2)
    say(monkeypatch, "hello", KeyboardInterrupt, "two")
    assert main(VERBS, ["chat"]) == 0
    assert capsys.readouterr().out == "HE (stopped)\nTWO\n\n"
    assert [m["content"] for m in form.asked[-1]] == ["hello", "HE", "two"]


def test_a_bad_text_does_not_end_the_chat(use, monkeypatch, capsys) -> None:
    form = use(CHAT)
    say(monkeypatch, "a<|end|>", "x" * 300, "two")
    assert main(VERBS, ["chat"]) == 0
    out, err = capsys.readouterr()
    assert out == "TWO\n\n"
    assert "control token" in err and "at most 200" in err
    assert [m["content"] for m in form.asked[-1]] == ["two"]


def test_the_oldest_turns_are_forgotten_when_the_context_is_full(use, monkeypatch) -> None:
    form = use(CHAT)
    say(monkeypatch, *(f"{n}" * 20 for n in range(8)))
    assert main(VERBS, ["chat"]) == 0
    last = [m["content"] for m in form.asked[-1]]
    assert last[-1] == "7" * 20 and last[-2] == "6" * 20 and "0" * 20 not in last
    assert len("|".join(last)) + CHAT.max_new_tokens <= form.context
