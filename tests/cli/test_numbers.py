"""Every option that takes a number refuses what can be none, with the reason and exit code 2."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping

import pytest

from phi3scaffold.__main__ import VERBS
from phi3scaffold.cli import main
from phi3scaffold.cli.parser import Verb, build

# 0 is one of their values
FROM_ZERO = {"--abstain-below", "--price", "--port", "--temperature", "--top-p", "--seed"}


def leaves(verbs: Mapping[str, Verb], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of every verb that has options of its own."""
    for name, verb in verbs.items():
        if verb.module:
            yield (*above, name)
        yield from leaves(verb.verbs, (*above, name))


def parser_of(words: tuple[str, ...]) -> argparse.ArgumentParser:
    parser = build(VERBS, words)
    for word in words:
        actions = parser._actions
        below = next(one for one in actions if isinstance(one, argparse._SubParsersAction))
        parser = below.choices[word]
    return parser


def numeric() -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield verb and option wherever a value must be a number: text is refused there."""
    for words in leaves(VERBS):
        for action in parser_of(words)._actions:
            if action.type is None or not action.option_strings:
                continue
            if action.metavar in ("N", "T", "P") or isinstance(action.default, (int, float)):
                yield words, action.option_strings[0]


NUMBERS = list(numeric())


def test_the_walk_finds_the_options_that_people_know() -> None:
    found = {(words[0], option) for words, option in NUMBERS}
    assert {
        ("data", "--nproc"),
        ("finetune", "--nproc"),
        ("infer", "--max-tokens"),
        ("chat", "--temperature"),
        ("serve", "--port"),
        ("serve", "--queue"),
        ("ui", "--port"),
    } <= found


@pytest.mark.parametrize(("words", "option"), NUMBERS, ids=lambda value: str(value))
@pytest.mark.parametrize("value", ["0", "-1", "1.5.1", "many", "", "nan", "1e400"])
def test_a_number_that_cannot_be_is_refused(
    words: tuple[str, ...], option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if (value == "0" and option in FROM_ZERO) or (value == "-1" and option == "--seed"):
        return
    with pytest.raises(SystemExit) as ended:
        main(VERBS, [*words, f"{option}={value}"])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert f"argument {option}" in error and repr(value) in error
    assert "must be" in error or "is not a port" in error
