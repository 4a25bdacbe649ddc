"""L02: marks of a conflict, .rej files, and what the template never filled in."""

from __future__ import annotations

import pytest

from tests.checks.lint.conftest import Make
from tests.checks.lint.helpers import append, change, everything, found, one

CONFLICT = "<<<<<<< before updating\ntarget: cpu\n=======\ntarget: cuda\n>>>>>>> after updating"


def test_a_conflict_is_named_where_it_begins_and_by_no_other_check(make: Make) -> None:
    root = make()
    assert found(root, "leftovers") == []
    line = change(root, "project.yaml", "target: cpu", CONFLICT)
    finding = one(root, "leftovers")
    assert finding.where == f"project.yaml:{line}"
    assert [one.id for one in everything(root)] == [finding.id]


@pytest.mark.parametrize("text", ["{{ project_name }}", "{% if target == 'cpu' %}"])
def test_what_was_never_filled_in(make: Make, text: str) -> None:
    root = make()
    line = append(root, "README.md", f"A project: {text}\n")
    assert one(root, "leftovers").where == f"README.md:{line}"


def test_braces_of_others_are_left_alone(make: Make) -> None:
    root = make(target="aml")
    append(root, "inferences/own.py", 'print(f"{{{1}}}", {"a": {"b": {}}})\n')
    append(root, "README.md", "`${{inputs.rows}}` and {{mustache}}\n")
    assert found(root, "leftovers") == []


def test_a_rej_file(make: Make) -> None:
    root = make()
    append(root, "Makefile.rej", "@@ -1 +1 @@\n-a\n+b\n")
    assert one(root, "leftovers").where == "Makefile.rej"
