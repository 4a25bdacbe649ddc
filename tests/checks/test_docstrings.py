"""Every check documents itself: what holds, why, and how to mend it."""

from __future__ import annotations

import inspect
import re

import pytest

from phi3scaffold.checks.runner import explain, load
from phi3scaffold.project.errors import ScaffoldError

CHECKS = load("lint")


@pytest.mark.parametrize("module", CHECKS, ids=lambda module: module.ID)
def test_every_check_says_what_why_and_how_to_fix_it(module: object) -> None:
    what, *rest = inspect.cleandoc(module.__doc__ or "").split("\n\n")
    assert what.endswith(".")
    assert "\n" not in what
    assert rest
    assert "To fix it: " in rest[-1]
    assert list(inspect.signature(module.check).parameters) == ["context"]  # type: ignore[attr-defined]


def test_ids_are_in_order_and_never_twice() -> None:
    found = [module.ID for module in CHECKS]
    assert [int(one[1:3]) for one in found] == list(range(1, len(found) + 1))
    for module in CHECKS:
        assert re.fullmatch(r"L\d\d-[a-z-]+", module.ID)
        assert module.ID[4:].replace("-", "_") == module.__name__.rpartition(".")[2]


def test_explain_knows_every_check_and_the_nearest_name() -> None:
    assert explain("L03-settings").startswith("L03-settings\n\nproject.yaml")
    with pytest.raises(ScaffoldError) as caught:
        explain("L03-setings")
    assert caught.value.fix == "did you mean L03-settings?"
