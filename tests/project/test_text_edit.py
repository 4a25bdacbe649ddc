"""Values set in the text of a file: nothing else changes."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from phi3scaffold.project.text_edit import with_settings

TEXT = """{
  "a": {
    "b": 1,
    "list": ["x", "y"]
  },
  "c": {"d": true}
}
"""


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, TEXT),
        ({("a", "b"): 2}, TEXT.replace("1", "2")),
        ({("a", "list"): ["z"]}, TEXT.replace('["x", "y"]', '["z"]')),
        ({("a", "new"): 0.5}, TEXT.replace('"y"]', '"y"],\n    "new": 0.5')),
        (
            {("a", "e", "f"): False, ("a", "g"): "h"},
            TEXT.replace('"y"]', '"y"],\n    "e": {"f": false},\n    "g": "h"'),
        ),
        ({("c", "d"): False, ("a", "b"): 3}, TEXT.replace("true", "false").replace("1", "3")),
    ],
)
def test_settings_change_nothing_else(settings: dict[tuple[str, ...], Any], wanted: str) -> None:
    assert with_settings(TEXT, settings) == wanted


PLAIN = """# a comment
a:
  b: 1 # stays
  c: null
text: >-
  one
  two
list: [x]
"""


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({("a", "b"): 2}, PLAIN.replace("1", "2")),
        ({("a", "c"): "azureml:name"}, PLAIN.replace("null", "azureml:name")),
        ({("a", "c"): "yes: no"}, PLAIN.replace("null", '"yes: no"')),
        ({("a", "c"): "0123"}, PLAIN.replace("null", '"0123"')),
        ({("a", "new"): "x #y"}, PLAIN.replace("c: null", 'c: null\n  new: "x #y"')),
        ({("list",): ["z"], ("a", "b"): True}, PLAIN.replace("[x]", "[z]").replace("1", "true")),
    ],
)
def test_settings_of_yaml_change_nothing_else(
    settings: dict[tuple[str, ...], Any], wanted: str
) -> None:
    changed = with_settings(PLAIN, settings)
    assert yaml.safe_load(changed) == yaml.safe_load(wanted)
    assert [line for line in changed.splitlines() if "#" in line] == [
        line for line in wanted.splitlines() if "#" in line
    ]


NESTED = """# settings
gate:
  # a limit
  size_mb: null  # MB
lint:
turns:
  - user: "{text}"
  - assistant: "{label}"

# the end
seed: 42  # a number
"""


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        # a key that is new goes behind the comment of the last one
        ({("gate", "kl"): 0.1}, NESTED.replace("# MB", "# MB\n  kl: 0.1")),
        ({("task",): "qa"}, NESTED.replace("# a number", "# a number\ntask: qa")),
        # a mapping that holds nothing yet
        ({("lint", "ignore"): ["L01"]}, NESTED.replace("lint:", 'lint:\n  ignore: ["L01"]')),
        # a list of several lines ends where its last entry does, before the comment
        (
            {("turns",): ["x"]},
            NESTED.replace('- user: "{text}"\n  - assistant: "{label}"', '["x"]'),
        ),
        ({("gate", "size_mb"): 1e-05}, NESTED.replace("null", "1.0e-05")),
        ({("lint",): "x"}, NESTED.replace("lint:", "lint: x")),
    ],
)
def test_every_other_character_of_yaml_stays(
    settings: dict[tuple[str, ...], Any], wanted: str
) -> None:
    for newline in ("\n", "\r\n"):
        text = NESTED.replace("\n", newline)
        assert with_settings(text, settings) == wanted.replace("\n", newline)


def test_quotes_and_tabs_stay() -> None:
    assert with_settings('a: "x"  # y\n', {("a",): "z"}) == 'a: "z"  # y\n'
    assert with_settings('{\n\t"a": 1,\n\t"b": 2\n}', {("b",): 3}) == '{\n\t"a": 1,\n\t"b": 3\n}'
    assert with_settings("a: {b: x}\n", {("a", "b"): "p, q"}) == 'a: {b: "p, q"}\n'
