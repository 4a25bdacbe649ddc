"""L07: rows that do not have what dataset.yaml says."""

from __future__ import annotations

import pytest

from tests.checks.lint.conftest import Make
from tests.checks.lint.helpers import append, change, found, one

DATASET = "datasets/dataset.yaml"


@pytest.mark.parametrize("task", ["classify", "qa", "chat"])
def test_sample_rows_are_clean(make: Make, task: str) -> None:
    assert found(make(task=task), "rows") == []


def test_a_column_that_no_row_has(make: Make) -> None:
    root = make()
    change(root, DATASET, "{phrase}", "{phrases}")
    for finding in found(root, "rows"):
        assert finding.what.startswith("The row lacks the column 'phrases'")
        assert str(finding.fix).startswith("did you mean 'phrase'?")
    assert [finding.where for finding in found(root, "rows")] == [
        "datasets/train.jsonl:1",
        "datasets/held-out.jsonl:1",
    ]


def test_a_row_with_a_label_that_there_is_not(make: Make) -> None:
    root = make()
    line = append(root, "datasets/train.jsonl", '{"phrase": "Oh.", "tone": "anger"}\n')
    finding = one(root, "rows")
    assert finding.where == f"datasets/train.jsonl:{line}"
    assert finding.what.startswith("The label 'anger' is not one of")


def test_a_label_that_no_row_has(make: Make) -> None:
    root = make()
    line = change(root, DATASET, '"surprise"]', '"surprise", "anger"]')
    finding = one(root, "rows")
    assert finding.state == "warning"
    assert finding.where == f"{DATASET}:{line}: labels[4]"


def test_a_file_that_is_not_there(make: Make) -> None:
    root = make()
    (root / "datasets" / "train.jsonl").unlink()
    assert one(root, "rows").where == "datasets/train.jsonl"
