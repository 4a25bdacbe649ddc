"""`--help`: one screen for the program, examples for each verb, and each is a command it takes."""

from __future__ import annotations

import io
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest

from phi3scaffold.__main__ import VERBS
from phi3scaffold.cli import main
from phi3scaffold.cli.parser import Verb, build, choose, overview

COMMAND = re.compile(r"^(?:examples?: |  )(phi3scaffold .*)$", re.MULTILINE)
BELOW = {
    f"{above} {name}": verb
    for above in ("job", "runs")
    for name, verb in VERBS[above].verbs.items()
}
EVERY = {**VERBS, **BELOW}
# what the verbs were called before they stood below `job`, and how each is called now
OLD_NAMES = {verb.old_name: name for name, verb in EVERY.items() if verb.old_name}


def help_of(verb: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        build(VERBS, verb.split()).parse_args([*verb.split(), "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def examples(text: str) -> list[list[str]]:
    """The words behind `phi3scaffold`, comments left out, of each command that is joined by &&."""
    lines = [line for match in COMMAND.findall(text) for line in match.split(" && ")]
    return [shlex.split(line, comments=True)[1:] for line in lines]


@pytest.mark.parametrize("verb", [name for name, verb in EVERY.items() if verb.module])
def test_every_verb_shows_examples_that_it_takes(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [verb_of(words) for words in examples(help_of(verb, capsys))]
    assert verb in found, "no example"


def verb_of(words: Sequence[str]) -> str:
    """The verb as the parser takes it; it refuses words that do not fit."""
    return str(build(VERBS, words).parse_args(words).verb)


def test_the_example_of_the_program_itself() -> None:
    [words] = examples(overview(VERBS, bold=False))
    assert verb_of(words) == "new"


class Screen(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_the_overview_fits_one_screen() -> None:
    lines = overview(VERBS, bold=False).splitlines()
    assert len(lines) <= 23  # and the shell's prompt below it
    assert max(map(len, lines)) < 80
    text = "\n".join(lines)
    assert [name for name, verb in VERBS.items() if not re.search(rf"\b{name}\b", text)] == []
    assert all(verb.help in text for verb in VERBS.values() if verb.first)
    assert sum(verb.first for verb in VERBS.values()) <= 12


@pytest.mark.parametrize(
    ("environment", "bold"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "dumb"}, False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
    ],
)
def test_bold_type_only_where_a_terminal_shows_it(
    environment: dict[str, str], bold: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    screen = Screen()
    build(VERBS, []).print_help(screen)
    assert ("\x1b[1mnew\x1b[0m" in screen.getvalue()) is bold
    assert ("\x1b" in screen.getvalue()) is bold
    assert re.sub(r"\x1b\[\d+m", "", screen.getvalue()) == overview(VERBS, bold=False)


def test_without_a_verb_the_same_help_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(VERBS, []) == 0
    assert capsys.readouterr().out == overview(VERBS, bold=False)
    assert main(VERBS, ["job"]) == 2
    assert "submit" in capsys.readouterr().err


def test_help_texts_stand_as_they_were_written(capsys: pytest.CaptureFixture[str]) -> None:
    for name, verb in EVERY.items():
        assert verb.help[0].isupper() and verb.help.endswith("."), name
    assert "Serve an OpenAI-compatible API" in help_of("serve", capsys)


def test_what_only_programs_call_is_hidden(capsys: pytest.CaptureFixture[str]) -> None:
    listed = re.findall(r"^    (\w+)  ", help_of("job", capsys), re.MULTILINE)
    assert listed == [name for name in VERBS["job"].verbs if name != "run"]
    assert "--results" in help_of("job run", capsys)


def test_an_unknown_verb_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(VERBS, ["finetun"]) == 2
    assert "did you mean finetune?" in capsys.readouterr().err
    assert main(VERBS, ["xyz"]) == 2
    assert "phi3scaffold --help" in capsys.readouterr().err


@pytest.mark.parametrize("old", OLD_NAMES)
def test_old_names_go_on_working_and_say_the_new_one(
    old: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    words = {"job": ["--results", "out"]}.get(old, [])
    assert verb_of([old, *words]) == OLD_NAMES[old]
    assert main(VERBS, [old, *words]) == 2  # no project here
    message = capsys.readouterr().err
    assert message.startswith(f"note: `phi3scaffold {old}` is now `phi3scaffold {OLD_NAMES[old]}`")
    assert "no project.yaml" in message
    assert old == "job" or old not in overview(VERBS, bold=False).split()


def test_every_name_of_before_is_known() -> None:
    before = (
        "new migrate doctor update models data model finetune merge export adapters evaluate "
        "report run ui lint infer chat serve publish submit status logs cancel "
        "fetch job info completion"
    )
    assert [name for name in before.split() if choose(VERBS, [name]) is None] == []


def test_a_verb_below_another_and_a_hidden_one() -> None:
    """The table alone decides: a made-up one."""
    table = {"a": Verb("A.", verbs={"b": Verb("B.", "m", old_name="c"), "d": Verb("D.", "m")})}
    assert choose(table, ["a", "b", "x"]) == ("a b", table["a"].verbs["b"], "")
    assert choose(table, ["c", "x"]) == ("a b", table["a"].verbs["b"], "c")
    assert choose(table, ["a", "x"]) == ("a", table["a"], "")
    assert choose(table, ["x"]) is choose(table, []) is choose(table, ["--help"]) is None


def test_a_wrong_example_would_be_seen(capsys: pytest.CaptureFixture[str]) -> None:
    [words] = examples("examples:\n  phi3scaffold models --nothing  # a comment\n")
    assert words == ["models", "--nothing"]
    with pytest.raises(SystemExit):
        verb_of(words)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("infer --tmperature=1 x", "--temperature"),
        ("new proj --targt cpu", "--target"),
        ("job submit --dryrun", "--dry-run"),
        ("completion bsh", "bash"),
        ("new proj --algo lroa --defaults", "lora"),
    ],
)
def test_a_misspelled_option_or_value_names_the_nearest(
    words: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code: object = main(VERBS, words.split())
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    assert f"did you mean {meant}?" in capsys.readouterr().err
