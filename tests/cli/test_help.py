"""`--help` of every verb: examples, and that each of them is a command line that the verb takes."""

from __future__ import annotations

import re
import shlex

import pytest

from phi3scaffold.__main__ import VERBS
from phi3scaffold.cli import build

COMMAND = re.compile(r"^(?:examples?: |  )(phi3scaffold .*)$", re.MULTILINE)


def help_of(verb: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        build(VERBS, verb).parse_args([verb, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def examples(text: str) -> list[list[str]]:
    """The words behind `phi3scaffold`, comments left out, of each command that is joined by &&."""
    lines = [line for match in COMMAND.findall(text) for line in match.split(" && ")]
    return [shlex.split(line, comments=True)[1:] for line in lines]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_shows_examples_that_it_takes(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = examples(help_of(verb, capsys))
    assert [words for words in found if words[0] == verb], "no example"
    for words in found:
        parsed = build(VERBS, words[0]).parse_args(words)
        assert parsed.verb == words[0]


def test_the_example_of_the_program_itself() -> None:
    [words] = examples(build(VERBS, None).format_help())
    assert build(VERBS, "new").parse_args(words).verb == "new"


def test_a_wrong_example_would_be_seen(capsys: pytest.CaptureFixture[str]) -> None:
    [words] = examples("examples:\n  phi3scaffold models --nothing  # a comment\n")
    assert words == ["models", "--nothing"]
    with pytest.raises(SystemExit):
        build(VERBS, "models").parse_args(words)
