"""`infer` of one prompt, with a form that needs no model."""

from __future__ import annotations

import io
import json
import shlex
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from phi3scaffold.__main__ import VERBS
from phi3scaffold.cli import main
from phi3scaffold.datasets.conversations import Conversation
from phi3scaffold.datasets.prepared_rows import HELD_OUT, file_of, pack_conversation, schema
from phi3scaffold.models.prompt import Prompt
from tests.support.echo import QA, TWO, program


def held_out(project: Path) -> None:
    messages = [
        {"role": "user", "content": "Q: two\nlines"},
        {"role": "assistant", "content": "TWO"},
    ]
    path = project / "gen-model" / "data" / file_of(HELD_OUT)
    path.parent.mkdir(parents=True)
    row = {
        "place": "rows.jsonl:1",
        "conversation": pack_conversation(
            Conversation("rows.jsonl:1", messages, {"q": "two\nlines"})
        ),
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


@pytest.mark.parametrize("text", ["\n", "  \r\n"])
def test_white_space_on_standard_input_is_no_reason_to_answer_a_row(
    text: str, use, project: Path, monkeypatch, capsys
) -> None:
    use(QA)
    held_out(project)
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    assert main(VERBS, ["infer"]) == 2
    assert "The prompt is empty" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["--example"]])
def test_without_a_text_the_first_held_out_row_is_answered(
    arguments: list[str], use, project: Path, capsys
) -> None:
    use(QA)
    held_out(project)
    assert main(VERBS, ["infer", *arguments]) == 0
    out, err = capsys.readouterr()
    assert out == "Q: TWO\nLINES\n"
    assert "  Q: two\n  lines\n" in err and "expected: TWO" in err


def test_without_a_text_and_a_row_the_message_says_what_to_do(use, capsys) -> None:
    use(QA)
    assert main(VERBS, ["infer"]) == 2
    err = capsys.readouterr().err
    assert "There is no prompt" in err and "phi3scaffold data" in err


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
        (["x", "--set", "q=y"], "A text and --set"),
        (["x", "--example"], "--example has a text of its own"),
        (["--set", "q"], "COLUMN=TEXT"),
        (["--set", "q=1", "--set", "q=2"], "twice"),
        (["--set", "z=1"], "no column 'z'"),
        ([""], "The prompt is empty"),
        ([" \t\n"], "The prompt is empty"),
        (["--set", "q= "], "The prompt is empty"),
        (["a\0b"], "NUL character"),
        (["a <|end|> b"], "control token <|end|>"),
        (["x", "--system", "a <|end|> b"], "control token <|end|>"),
        (["x" * 300], "context holds 200 tokens"),
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


def test_one_empty_column_of_several_is_answered(use, capsys) -> None:
    use(TWO)
    assert main(VERBS, ["infer", "--set", "a=", "--set", "b=x"]) == 0
    assert capsys.readouterr().out == "-X\n"


def test_a_missing_form_names_the_verb_that_makes_it(project: Path, capsys) -> None:
    assert main(VERBS, ["infer", "x"]) == 2
    err = capsys.readouterr().err
    assert "phi3scaffold export" in err and "Traceback" not in err


def test_a_demonstration_model_says_so(use, capsys) -> None:
    use(Prompt("qa", "{q}", ("q",), (1,), demonstration=True, model="tiny"))
    main(VERBS, ["infer", "x"])
    out, err = capsys.readouterr()
    assert "demonstration model" in err and "demonstration" not in out


def test_ctrl_c_ends_infer_without_a_traceback(use, capsys) -> None:
    use(QA, interrupt_after=2)
    assert main(VERBS, ["infer", "x"]) == 130
    out, err = capsys.readouterr()
    assert out == "Q:\n" and err == "interrupted\n"


@pytest.mark.parametrize("verb", ["infer x", "chat"])
def test_closed_streams_are_no_traceback(verb: str, project: Path) -> None:
    words = shlex.join(program("QA"))
    for closed in (">&-", "2>&1 <&- >&-"):
        done = subprocess.run(
            f"{words} {verb} {closed}",
            shell=True,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=project,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, b"")


def test_bytes_that_are_no_text_are_a_message(project: Path) -> None:
    held_out(project)
    run = [sys.executable, "-m", "phi3scaffold", "infer"]
    done = subprocess.run(run, input=b"\xff\xfe", capture_output=True, cwd=project, check=False)
    assert done.returncode == 2 and b"Traceback" not in done.stderr
