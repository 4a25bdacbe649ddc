"""`chat`: what it says to a form that needs no model; and in a real terminal, with the real one."""

from __future__ import annotations

import io
import json
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from phi3scaffold.__main__ import VERBS
from phi3scaffold.cli import chat, main
from tests.support.echo import CHAT, QA, TWO, program
from tests.support.terminal import ALT_ENTER, CTRL_C, CTRL_D, ENTER, PASTE, UP, Terminal

FULL = Path("/dev/full")


class Typed(io.StringIO):
    """Standard input of a terminal, whose output goes elsewhere."""

    def isatty(self) -> bool:
        return True


def say(monkeypatch: pytest.MonkeyPatch, *lines: str | type[BaseException]) -> list[str]:
    """What the user types; returns the prompts he is shown."""
    typed, shown = iter(lines), []

    def answer(prompt: str) -> str:
        shown.append(prompt)
        line = next(typed, EOFError)
        if isinstance(line, str):
            return line
        raise line

    monkeypatch.setattr(chat, "asker", lambda history, words: answer)
    monkeypatch.setattr(sys, "stdin", Typed())
    return shown


def test_a_chat_remembers(use, monkeypatch, capsys) -> None:
    form = use(CHAT)
    shown = say(monkeypatch, "one", "", "two")
    assert main(VERBS, ["chat"]) == 0
    assert capsys.readouterr().out == "ONE\nTWO\n"
    assert [m["content"] for m in form.asked[-1]] == ["one", "ONE", "two"]
    assert [m["role"] for m in form.asked[-1]] == ["user", "assistant", "user"]
    assert set(shown) == {"you> "}


def test_each_prompt_of_other_tasks_stands_alone(use, monkeypatch, capsys) -> None:
    form = use(QA)
    shown = say(monkeypatch, "one", "two", "/exit", "three")
    assert main(VERBS, ["chat"]) == 0
    assert [m["content"] for m in form.asked[-1]] == ["Q: two"]
    assert shown == ["q> "] * 3
    assert "one prompt at a time" in capsys.readouterr().err


def test_several_columns_are_asked_in_turn(use, monkeypatch, capsys) -> None:
    use(TWO)
    shown = say(monkeypatch, "x", "y")
    assert main(VERBS, ["chat"]) == 0
    assert shown == ["a> ", "b> ", "a> "]
    assert capsys.readouterr().out == "X-Y\n"


def test_reset_forgets(use, monkeypatch, capsys) -> None:
    form = use(CHAT)
    say(monkeypatch, "one", "/reset", "two")
    main(VERBS, ["chat"])
    assert [m["content"] for m in form.asked[-1]] == ["two"]


def test_ctrl_c_stops_the_answer_not_the_chat(use, monkeypatch, capsys) -> None:
    form = use(CHAT, interrupt_after=2)
    say(monkeypatch, "hello", KeyboardInterrupt, "two")
    assert main(VERBS, ["chat"]) == 0
    assert capsys.readouterr().out == "HE (stopped)\nTWO\n"
    assert [m["content"] for m in form.asked[-1]] == ["hello", "HE", "two"]


def test_a_bad_text_does_not_end_the_chat(use, monkeypatch, capsys) -> None:
    form = use(CHAT)
    say(monkeypatch, "a<|end|>", "x" * 300, "two")
    assert main(VERBS, ["chat"]) == 0
    out, err = capsys.readouterr()
    assert out == "TWO\n"
    assert "control token" in err and "context holds 200 tokens" in err
    assert [m["content"] for m in form.asked[-1]] == ["two"]


def test_the_oldest_turns_are_forgotten_when_the_context_is_full(use, monkeypatch) -> None:
    form = use(CHAT)
    say(monkeypatch, *(f"{n}" * 20 for n in range(8)))
    assert main(VERBS, ["chat"]) == 0
    last = [m["content"] for m in form.asked[-1]]
    assert last[-1] == "7" * 20 and last[-2] == "6" * 20 and "0" * 20 not in last
    assert len("|".join(last)) + CHAT.max_new_tokens <= form.context


def test_settings_are_those_of_the_server(use, monkeypatch, capsys) -> None:
    form = use(CHAT)
    say(
        monkeypatch,
        "one", "/set temperature 0.5", "/set seed 7", "/set top_p 0.9", "two",
        "/set temperature default", "/set top_p none", "/set max_tokens 3", "three",
        "/set max_tokens default", '/set stop ["FIV"]', "four five", "/set",
    )  # fmt: skip
    assert main(VERBS, ["chat"]) == 0
    out, err = capsys.readouterr()
    assert out == "ONE\nTWO\nTHR\nFOUR \n"
    assert [one.temperature for one in form.samplings] == [0, 0.5, 0, 0]
    assert (form.samplings[1].seed, form.samplings[1].top_p) == (7, 0.9)
    told = [tuple(line.split(maxsplit=1)) for line in err.splitlines()]
    assert told.count(("seed", "7")) == 2  # when it was set, and among all
    assert {
        ("temperature", "0 (default)"), ("max_tokens", "20 (default)"), ("top_p", "1 (default)"),
        ("stop", '["FIV"]'), ("form", "onnx"), ("adapter", "none"),
    } <= set(told)  # fmt: skip


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("/set temperature hot", "a number from 0 to 2, not 'hot'"),
        ("/set temperature nan", "from 0 to 2"),
        ("/set top_p 2", "from 0 to 1"),
        ("/set max_tokens 0", "at least 1"),
        ("/set seed 1.5", "a whole number, not '1.5'"),
        ("/set stop [1]", "stop takes at most 16 texts"),
        ('/set stop ["', "not valid JSON"),
        ("/set colour red", "one of: temperature, top_p, max_tokens, seed, stop, form, adapter"),
        ("/set colour", "There is no setting 'colour'"),
        ("/set seed", "random (default)"),
        ("/set adapter x", "/set form onnx-adapter, then: /set adapter x"),
        ("/sey", "There is no command /sey"),
        ("/retry", "no answer to retry"),
        ("/save", "needs a file"),
        ("/save talks.jsonl", "The conversation is empty"),
    ],
)
def test_a_wrong_command_is_said_and_the_chat_goes_on(
    command: str, message: str, use, monkeypatch, capsys
) -> None:
    use(CHAT)
    say(monkeypatch, command, "one")
    assert main(VERBS, ["chat"]) == 0
    out, err = capsys.readouterr()
    assert out == "ONE\n" and message in err and "Traceback" not in err


def test_a_system_turn_is_set_and_taken_back(use, monkeypatch, capsys) -> None:
    form = use(CHAT)
    say(monkeypatch, "one", "/system Be brief.", "two", "/system default", "/reset", "three")
    assert main(VERBS, ["chat", "--system", "Be kind."]) == 0
    first = [asked[0] for asked in form.asked if asked[-1]["content"] in ("one", "two", "three")]
    assert first[0] == {"role": "system", "content": "Be kind."}
    assert {"role": "system", "content": "Be brief."} in first
    assert form.asked[-1] == [{"role": "user", "content": "three"}]
    assert "system: none (as trained)" in capsys.readouterr().err


def test_retry_puts_another_answer_in_the_place_of_the_last(use, monkeypatch, capsys) -> None:
    form = use(CHAT)
    say(monkeypatch, "one", "two", "/set max_tokens 1", "/retry", "/set max_tokens 9", "three")
    assert main(VERBS, ["chat"]) == 0
    assert capsys.readouterr().out == "ONE\nTWO\nT\nTHREE\n"
    assert [m["content"] for m in form.asked[-1]] == ["one", "ONE", "two", "T", "three"]


def test_what_was_said_is_saved_as_rows(use, project, monkeypatch, capsys) -> None:
    use(CHAT)
    say(monkeypatch, "one", "/save a.txt", "two", "/save a.jsonl", "/save no/where.jsonl", "three")
    assert main(VERBS, ["chat", "--system", "S"]) == 0
    (row,) = (json.loads(line) for line in (project / "a.jsonl").read_text().splitlines())
    assert [m["content"] for m in row["messages"]] == ["S", "one", "ONE", "two", "TWO"]
    out, err = capsys.readouterr()
    assert "a.jsonl" in err and "No such file" in err and "THREE" in out
    assert not (project / "a.txt").exists()
    use(QA)
    say(monkeypatch, "one", "two", "/save a.jsonl")
    assert main(VERBS, ["chat"]) == 0
    assert len((project / "a.jsonl").read_text().splitlines()) == 3


def test_two_slashes_are_a_text_that_begins_with_one(use, monkeypatch, capsys) -> None:
    use(CHAT)
    say(monkeypatch, "//etc/hosts", "/quit", "never")
    assert main(VERBS, ["chat"]) == 0
    assert capsys.readouterr().out == "/ETC/HOSTS\n"


def test_it_is_said_when_the_oldest_are_no_longer_shown(use, monkeypatch, capsys) -> None:
    use(CHAT)
    say(monkeypatch, *(f"{n}" * 20 for n in range(8)))
    assert main(VERBS, ["chat"]) == 0
    assert "no longer sees the oldest 2 messages" in capsys.readouterr().err


def test_another_form_takes_over_the_conversation(use, monkeypatch, capsys) -> None:
    form = use(CHAT)
    say(monkeypatch, "one", "/set form merged", "two")
    assert main(VERBS, ["chat"]) == 0
    assert [m["content"] for m in form.asked[-1]] == ["one", "ONE", "two"]


def test_without_a_terminal_each_line_has_an_answer_and_nothing_else(project: Path) -> None:
    done = subprocess.run(
        [*program("CHAT"), "chat"],
        input=b"\xef\xbb\xbfone\r\n\r\n\xff\r\ntwo",
        capture_output=True,
        cwd=project,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, b"ONE\nTWO\n")
    assert b"not valid UTF-8" in done.stderr and b"Traceback" not in done.stderr
    assert b"Ctrl-C" not in done.stderr


@pytest.mark.skipif(not FULL.exists(), reason="this system has no disk that is always full")
def test_an_answer_that_cannot_be_written_ends_it(project: Path) -> None:
    with FULL.open("w") as full:
        done = subprocess.run(
            [*program("CHAT"), "chat"],
            input="one\ntwo\n",
            text=True,
            stdout=full,
            stderr=subprocess.PIPE,
            cwd=project,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr.count("No space left") == 1 and "None" not in done.stderr


def test_in_a_terminal(project: Path) -> None:
    with Terminal([*program("CHAT", pause=0.05), "chat"], project) as terminal:
        terminal.hear("you>")
        terminal.type(f"one{ALT_ENTER}two{ENTER}")
        terminal.hear("ONE\r\nTWO\r\n")
        assert "+ 7 output tokens" in terminal.hear("tokens/s")
        terminal.hear("you>")
        terminal.type(PASTE.format("p\nq") + ENTER)
        terminal.hear("P\r\nQ\r\n")
        terminal.hear("you>")
        terminal.type(UP + UP + UP + ENTER)  # up through two lines, and one entry further
        terminal.hear("ONE\r\nTWO\r\n")
        terminal.hear("you>")
        terminal.type("a very long text" + ENTER)
        terminal.hear("A VE")
        terminal.type(CTRL_C)
        assert "TEXT" not in terminal.hear("(stopped)")
        terminal.hear("you>")
        terminal.type("lost" + CTRL_C)
        terminal.hear("Ctrl-C again leaves")
        terminal.hear("you>")
        terminal.type("/qu\t")
        terminal.hear("it")  # the rest of /quit, which may be drawn alone
        terminal.type(ENTER)
        assert terminal.wait() == 0
    assert "Traceback" not in terminal.seen
    assert [path.name for path in project.iterdir()] == ["project.yaml"]  # no history was written


def test_ctrl_c_twice_leaves(project: Path) -> None:
    with Terminal([*program("CHAT"), "chat"], project) as terminal:
        terminal.hear("you>")
        terminal.type(CTRL_C)
        terminal.hear("Ctrl-C again leaves")
        terminal.hear("you>")
        terminal.type("one" + ENTER)
        terminal.hear("ONE")
        terminal.hear("you>")
        terminal.type(CTRL_C)  # the first one in a row
        terminal.hear("Ctrl-C again leaves")
        terminal.hear("you>")
        terminal.type(CTRL_C)
        assert terminal.wait() == 0
    assert "Traceback" not in terminal.seen


def test_what_is_typed_during_an_answer_waits_for_the_next_prompt(project: Path) -> None:
    with Terminal([*program("CHAT", pause=0.05), "chat"], project) as terminal:
        terminal.hear("you>")
        terminal.type("a long text" + ENTER)
        terminal.hear("A L")
        terminal.type("ahead")
        assert terminal.hear("tokens/s)").startswith("ONG TEXT")  # nothing else in its midst
        terminal.hear("you>")
        terminal.hear("ahead")
        terminal.type(ENTER)
        terminal.hear("AH")
        terminal.type(CTRL_D)
        terminal.hear("EAD")
        assert terminal.wait() == 0


def test_what_was_typed_comes_back_where_a_file_keeps_it(project: Path) -> None:
    words = [*program("CHAT"), "chat", "--history", "typed.txt"]
    for keys in ("first" + ENTER, UP + ENTER):
        with Terminal(words, project) as terminal:
            terminal.hear("you>")
            terminal.type(keys)
            terminal.hear("FIRST")
            terminal.hear("you>")
            terminal.type(CTRL_D)
            assert terminal.wait() == 0
    assert stat.S_IMODE((project / "typed.txt").stat().st_mode) == 0o600


def test_a_history_is_made_in_the_project_and_nothing_else_is_added_to(project: Path) -> None:
    with Terminal([*program("CHAT"), "chat", "--history"], project) as terminal:
        terminal.hear("you>")
        terminal.type("first" + ENTER)
        terminal.hear("FIRST")
        terminal.hear("you>")
        terminal.type(CTRL_D)
        assert terminal.wait() == 0
    assert "+first" in (project / ".chat-history").read_text()
    with Terminal([*program("CHAT"), "chat", "--history", "project.yaml"], project) as terminal:
        terminal.hear("not a history")
        assert terminal.wait() == 2
    assert (project / "project.yaml").read_text() == "model: {id: tiny}\n"


def test_git_and_jobs_leave_the_history_out() -> None:
    template = Path(__file__).resolve().parents[2] / "template" / "project"
    for name in (".gitignore.jinja", ".amlignore"):
        assert chat.HISTORY in (template / name).read_text().splitlines()


@pytest.mark.parametrize("variable", ["TERM=dumb", "NO_COLOR=1"])
def test_a_plain_terminal_gets_no_styles(variable: str, project: Path) -> None:
    words = ["env", variable, *program("CHAT", pause=0.01), "chat"]
    with Terminal(words, project) as terminal:
        terminal.hear("you>")
        terminal.type("a long text" + ENTER)
        terminal.hear("A LONG TEXT")
        terminal.hear("tokens/s)")
        terminal.hear("you>")
        terminal.type(CTRL_D)
        assert terminal.wait() == 0
    if variable == "TERM=dumb":
        assert "\x1b" not in terminal.seen
    assert "\x1b[2m" not in terminal.seen


def test_answers_alone_go_where_standard_output_goes(project: Path) -> None:
    words = shlex.join([*program("CHAT"), "chat"])
    with Terminal(["sh", "-c", f"{words} > answers.txt"], project) as terminal:
        terminal.hear("you>")
        terminal.type("one" + ENTER)
        terminal.hear("you>")
        terminal.type(CTRL_D)
        assert terminal.wait() == 0
    assert (project / "answers.txt").read_text() == "ONE\n"


def test_an_answer_cannot_command_the_terminal(project: Path) -> None:
    prompt = r"Prompt('chat', '\x1b]0;mine\x07{m}', ('m',), (1,))"
    with Terminal([*program(prompt), "chat"], project) as terminal:
        terminal.hear("you>")
        terminal.type("x" + ENTER)
        terminal.hear("]0;MINE")
        terminal.hear("you>")
        terminal.type(CTRL_D)
        terminal.wait()
    assert "\x1b]0;MINE" not in terminal.seen


def test_the_real_model_talks_in_a_terminal(tiny_project: Path) -> None:
    words = [sys.executable, "-m", "phi3scaffold", "chat"]
    with Terminal(words, tiny_project) as terminal:
        assert "one prompt at a time" in terminal.hear("phrase>")
        terminal.type("I could not stop smiling all day." + ENTER)
        terminal.hear("joy")
        terminal.hear("output tokens")
        terminal.hear("phrase>")
        terminal.type(CTRL_D)
        assert terminal.wait() == 0
