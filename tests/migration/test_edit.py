"""Values set in the text of a file: nothing else changes."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from phi3scaffold.migration.text_edit import with_settings

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
