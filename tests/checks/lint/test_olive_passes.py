"""L08: stages without a pass, and paths that lead elsewhere."""

from __future__ import annotations

import json

import pytest

from tests.checks.lint.conftest import Make
from tests.checks.lint.helpers import change, found, one

OLIVE = "fine-tuning/olive-config.json"
BROKEN = [
    ('"type": "MergeAdapterWeights"', '"type": "Rtn"', "No pass for the stage merge", "passes"),
    ('"cache_dir": "gen-model', '"cache_dir": "/tmp', "/tmp/.work", "cache_dir"),
    ('"output_dir": "gen-model', '"output_dir": "../x', "../x/.work", "output_dir"),
]


def test_a_new_project_is_clean(make: Make) -> None:
    assert found(make(), "olive_passes") == []


@pytest.mark.parametrize(("old", "new", "what", "key"), BROKEN)
def test_the_key_is_named(make: Make, old: str, new: str, what: str, key: str) -> None:
    root = make()
    line = change(root, OLIVE, old, new)
    finding = found(root, "olive_passes")[0]
    assert finding.what.startswith(what)
    place, number, name = str(finding.where).split(":")
    assert (place, name.strip()) == (OLIVE, key)
    assert int(number) == line or key == "passes"


def test_a_script_or_rows_of_another_place(make: Make) -> None:
    root = make()
    path = root / OLIVE
    content = json.loads(path.read_text(encoding="utf-8"))
    content["data_configs"][0]["user_script"] = "other.py"
    content["data_configs"][1]["load_dataset_config"]["dataset"] = "datasets/other.yaml"
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")
    script, rows = found(root, "olive_passes")
    assert str(script.where).endswith("data_configs[0].user_script")
    assert str(rows.where).endswith("data_configs[1].load_dataset_config.dataset")


def test_a_base_that_was_not_rounded(make: Make) -> None:
    root = make()
    change(root, "project.yaml", "target: cpu", "target: cpu\nmerge_base: nf4")
    assert one(root, "olive_passes").fix == "in project.yaml: merge_base: original"
