"""L13: files that are not as their manifest says."""

from __future__ import annotations

from pathlib import Path

from tests.checks.lint.conftest import Make
from tests.checks.lint.helpers import found, one

ADAPTER = "gen-model/adapter/adapter_model.safetensors"


def test_a_trained_project_is_clean(tiny_project: Path) -> None:
    assert found(tiny_project, "manifests", verify=True) == []


def test_a_new_project_is_clean(make: Make) -> None:
    assert found(make(model="tiny"), "manifests") == []


def test_a_file_that_was_cut_short_or_is_gone(tiny_copy: Path) -> None:
    (tiny_copy / ADAPTER).write_bytes(b"short")
    (tiny_copy / "model-cache" / "base" / "model.safetensors").unlink()
    base, adapter = sorted(found(tiny_copy, "manifests"), key=lambda one: str(one.fix))
    assert (base.where, base.fix) == ("model-cache/base/model.safetensors", "phi3scaffold model")
    assert (adapter.where, adapter.fix) == (ADAPTER, "phi3scaffold run")


def test_one_bit_is_found_by_reading(tiny_copy: Path) -> None:
    path = tiny_copy / ADAPTER
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert one(tiny_copy, "manifests").where == ADAPTER
    assert one(tiny_copy, "manifests", verify=True).where == ADAPTER


def test_nobody_knows_what_made_it(tiny_copy: Path) -> None:
    (tiny_copy / "gen-model" / "onnx" / "manifest.json").write_text("{")
    finding = one(tiny_copy, "manifests")
    assert (finding.state, finding.where) == ("warning", "gen-model/onnx/manifest.json")
