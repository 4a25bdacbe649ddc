"""The rows that Olive's passes get: training and validation rows, never held-out ones."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from phi3scaffold.datasets.prepared_rows import HELD_OUT, TRAIN, VALIDATION, file_of
from tests.datasets.conftest import QA, labelled, run, write

pytestmark = pytest.mark.skipif(not importlib.util.find_spec("olive"), reason="needs olive")


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """The dataset.yaml of a project with so many prepared rows, whose held-out rows are gone."""
    from phi3scaffold.training import data_components

    monkeypatch.setattr(data_components, "rows_are_fresh", lambda _project: True)
    (tmp_path / "project.yaml").write_text("model: {id: tiny}\n")
    yaml = write(tmp_path / "datasets", QA.replace("0.25", "0.2"), train=labelled(request.param))
    (tmp_path / "gen-model").mkdir()
    made = run(yaml, tmp_path / "gen-model" / "data", tmp_path / "scratch")
    (made.folder / file_of(HELD_OUT)).unlink()
    return str(yaml)


@pytest.mark.parametrize(
    ("dataset", "split", "given", "rows"),
    [
        (260, "train", TRAIN, 158),
        (260, "validation", VALIDATION, 50),
        (260, "held_out", VALIDATION, 50),
        (100, "train", TRAIN, 80),
        (100, "validation", TRAIN, 80),
        (100, "held_out", TRAIN, 80),
    ],
    indirect=["dataset"],
)
def test_no_config_gets_held_out_rows(dataset: str, split: str, given: str, rows: int) -> None:
    from phi3scaffold.training.data_components import phi3scaffold_rows

    found = phi3scaffold_rows(dataset, split)
    assert (found.split, len(found)) == (given, rows)
