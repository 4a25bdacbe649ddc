"""L01: a file that cannot be read is named with its line."""

from __future__ import annotations

import pytest

from tests.checks.lint.conftest import Make
from tests.checks.lint.helpers import change, found, one

BROKEN = [
    ("project.yaml", "target: cpu", "target: [cpu", "Not valid YAML"),
    ("fine-tuning/olive-config.json", '"host": "local",', '"host": "local"', "Not valid JSON"),
    ("inferences/onnx.py", "def main(", "def main((", "Not valid Python"),
    ("project.yaml", "target: cpu", "target: cpu\ntarget: cuda", "target stands here a second"),
    ("fine-tuning/olive-config.json", '"host": "local",', '"host": "local", "host": "x",',
     "host stands here a second"),
]  # fmt: skip


def test_a_new_project_is_clean(make: Make) -> None:
    assert found(make(), "files_parse") == []


@pytest.mark.parametrize(("name", "old", "new", "what"), BROKEN)
def test_the_line_is_named(make: Make, name: str, old: str, new: str, what: str) -> None:
    root = make()
    line = change(root, name, old, new)
    finding = one(root, "files_parse")
    assert finding.what.startswith(what)
    assert finding.state == "error"
    assert finding.where is not None
    place, number, *_ = finding.where.split(":")
    assert place == name
    assert line <= int(number) <= line + 3
    assert finding.fix


def test_what_is_missing(make: Make) -> None:
    root = make()
    (root / "datasets" / "dataset.yaml").unlink()
    assert one(root, "files_parse").where == "datasets/dataset.yaml"
