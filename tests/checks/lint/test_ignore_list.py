"""L04, and that the list is heeded."""

from __future__ import annotations

import pytest

from phi3scaffold.checks.lint_context import LintContext
from phi3scaffold.checks.lint_report import lint_project
from tests.checks.lint.conftest import Make
from tests.checks.lint.helpers import append, change, found, one


def test_an_unknown_id_is_reported(make: Make) -> None:
    root = make()
    assert found(root, "ignore_list") == []
    line = append(root, "project.yaml", "lint:\n  ignore: [L03-setting]\n")
    finding = one(root, "ignore_list")
    assert finding.where == f"project.yaml:{line + 1}: lint.ignore[0]"
    assert finding.fix == "did you mean L03-settings?"


def test_a_list_of_another_shape(make: Make) -> None:
    root = make()
    line = append(root, "project.yaml", "lint:\n  ignore: 3\n")
    assert one(root, "ignore_list").where == f"project.yaml:{line + 1}: lint.ignore"


@pytest.mark.parametrize(
    ("ignore", "code"),
    [
        ("[L03-settings]", 0),
        ("{L03-settings: [datasets/*]}", 0),
        ("{L03-settings: datasets/dataset.yaml}", 0),
        ("{L03-settings: [project.yaml]}", 1),
        ("[L02-leftovers]", 1),
    ],
)
def test_what_is_ignored_does_not_fail(make: Make, ignore: str, code: int) -> None:
    root = make()
    change(root, "datasets/dataset.yaml", "max_tokens:", "max_token:")
    append(root, "project.yaml", f"lint:\n  ignore: {ignore}\n")
    report = lint_project(LintContext(root, quick=True))
    assert report.fails(strict=False) is bool(code)
    assert [finding.id for finding in report.left_out] == ["L03-settings"] * (1 - code)
