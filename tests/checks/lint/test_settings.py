"""L03: keys that nobody reads, and values that cannot be."""

from __future__ import annotations

import pytest

from tests.checks.lint.conftest import Make
from tests.checks.lint.helpers import append, change, everything, fixed, found, one

UNKNOWN = [
    ("project.yaml", "revision: main", "revison: main", "model.revison", "revision"),
    ("project.yaml", "gate:\n", "gate:\n  agrement: 0.9\n", "gate.agrement", None),
    ("project.yaml", "target: cpu", "target: cpu\ncolour: red", "colour", None),
    ("datasets/dataset.yaml", "max_tokens:", "max_token:", "max_token", "max_tokens"),
    ("datasets/dataset.yaml", "held_out: [", "heldout: [", "files.heldout", "held_out"),
]
WRONG = [
    ("project.yaml", "target: cpu", "target: cpus", "Unknown target", "target"),
    ("project.yaml", "agreement: 0.9", "agreement: 90", "90 cannot be a limit", "gate.agreement"),
    ("project.yaml", "answers: 0.02", "answers: -1", "-1 cannot be", "gate.truncated_answers"),
    ("project.yaml", "perplexity_ratio: 1.25", "perplexity_ratio: 0", "0 cannot", "gate.perpl"),
    ("datasets/dataset.yaml", "max_tokens: 512", "max_tokens: many", "It must", "max_tokens"),
    ("datasets/dataset.yaml", "long_rows: drop", "long_rows: cut", "Unknown long", "long_rows"),
]


@pytest.mark.parametrize(("name", "old", "new", "key", "nearest"), UNKNOWN)
def test_an_unknown_key(
    make: Make, name: str, old: str, new: str, key: str, nearest: str | None
) -> None:
    root = make()
    assert found(root, "settings") == []
    line = change(root, name, old, new) + new.count("\n", 0, new.rindex(key.split(".")[-1]))
    finding = one(root, "settings")
    assert finding.where == f"{name}:{line}: {key}"
    assert finding.fix is not None
    if nearest is None:
        return
    assert finding.fix.startswith(f"did you mean {nearest}?")
    before = (root / name).read_text(encoding="utf-8")
    diff = fixed(root)
    assert f"--- a/{name}\n+++ b/{name}\n" in diff
    assert (root / name).read_text(encoding="utf-8") == before.replace(new, old)
    assert everything(root) == []


@pytest.mark.parametrize(("name", "old", "new", "what", "key"), WRONG)
def test_a_value_that_cannot_be(
    make: Make, name: str, old: str, new: str, what: str, key: str
) -> None:
    root = make()
    line = change(root, name, old, new)
    finding = one(root, "settings")
    assert finding.what.startswith(what)
    assert str(finding.where).startswith(f"{name}:{line}: {key}")


def test_everything_that_is_wrong_is_named_and_hides_no_other_check(make: Make) -> None:
    root = make()
    change(root, "project.yaml", "agreement: 0.9", "agreement: 90")
    change(root, "project.yaml", "  rows:", "  rows: none #")
    change(root, "project.yaml", "revision: main", "revison: main")
    change(root, "fine-tuning/olive-config.json", '"device": "cpu"', '"device": "gpu"')
    assert [finding.id for finding in everything(root)] == ["L03-settings"] * 3 + ["L06-target"]


def test_what_is_fetched_from_azure(make: Make) -> None:
    root = make(target="aml")
    assert found(root, "settings") == []
    line = change(root, "project.yaml", "fetch: [adapter, onnx]", "fetch: [adapter, onx]")
    assert one(root, "settings").where == f"project.yaml:{line}: azure.fetch"


def test_a_lock_that_is_none(make: Make) -> None:
    root = make()
    append(root, "model.lock", '{"id": "tiny"}')
    assert str(one(root, "settings").where) == "model.lock"
