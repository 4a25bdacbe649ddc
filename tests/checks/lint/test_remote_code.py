"""L09: flags that let a model's code run, pickles, and code beside weights."""

from __future__ import annotations

import pytest

from tests.checks.lint.conftest import Make
from tests.checks.lint.helpers import append, change, found, one

OLIVE = "fine-tuning/olive-config.json"
FLAGS = [
    (OLIVE, '"hf_remote": false', '"hf_remote": true', "passes.build.extra_options.hf_remote"),
    (OLIVE, '"extra_options": {"hf_remote": false}', '"extra_options": {}', "build.extra_options"),
    (OLIVE, '"task": "text-generation"',
     '"task": "text-generation", "load_kwargs": {"trust_remote_code": true}', "trust_remote_code"),
    ("inferences/merged.py", "trust_remote_code=False", "trust_remote_code=True", ""),
]  # fmt: skip


@pytest.mark.parametrize(("name", "old", "new", "key"), FLAGS)
def test_a_flag(make: Make, name: str, old: str, new: str, key: str) -> None:
    root = make()
    assert found(root, "remote_code") == []
    if old not in (root / name).read_text(encoding="utf-8"):
        line = append(root, name, f"\nOPTIONS = dict({new})\n") + 1
    else:
        line = change(root, name, old, new)
    finding = one(root, "remote_code")
    assert finding.state == "error"
    assert str(finding.where).startswith(f"{name}:{line}")
    assert str(finding.where).endswith(key)


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("model-cache/base/pytorch_model.bin", "error"),
        ("gen-model/adapter/adapter_model.bin", "error"),
        ("model-cache/base/modeling_phi3.py", "warning"),
    ],
)
def test_a_file(make: Make, name: str, state: str) -> None:
    root = make()
    append(root, name, "x = 1\n")
    finding = one(root, "remote_code")
    assert (finding.state, finding.where) == (state, name)


def test_an_adapter_from_elsewhere(make: Make) -> None:
    root = make()
    append(root, "../theirs/adapter_model.bin", "x")
    append(root, "project.yaml", "adapters:\n  theirs: ../theirs\n")
    assert one(root, "remote_code").where == str(root.parent / "theirs" / "adapter_model.bin")
