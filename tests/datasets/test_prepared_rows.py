"""Prepared rows are read from the disk as they were written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from phi3scaffold.datasets.conversations import Conversation, conversation
from phi3scaffold.datasets.prepared_rows import HELD_OUT, TRAIN, Prepared
from phi3scaffold.datasets.reader import read_rows
from phi3scaffold.datasets.rendering import Rendered, Renderer
from phi3scaffold.datasets.spec import load_spec
from phi3scaffold.models.catalogue import tiny_folder
from phi3scaffold.project.errors import ScaffoldError

YAML = """
task: classify
files: {train: [train.jsonl], held_out: [held-out.jsonl]}
turns: [{user: "{phrase}"}, {assistant: "{tone}"}]
labels: [x, y]
"""
ROWS = [{"phrase": f"{word} äöü 猫 🙂", "tone": tone} for word, tone in ("ax", "by", "cx", "dy")]


@pytest.fixture
def folder(make) -> Path:
    return make(ROWS, YAML, held_out=[{"phrase": "other", "tone": "x"}]).folder


def test_ids_and_labels_are_the_renderers_in_the_order_of_the_rows(folder: Path) -> None:
    spec = load_spec(folder.parent / "datasets" / "dataset.yaml")
    told = [conversation(row, spec) for row in read_rows(spec.train)]
    wanted = Renderer(tiny_folder(), spec.max_tokens).render(
        [t for t in told if isinstance(t, Conversation)]
    )
    rows = Prepared(folder, TRAIN)
    assert len(rows) == len(wanted) == 4
    for row, one in zip(rows, wanted, strict=True):
        assert isinstance(one, Rendered)
        assert (row[0].tolist(), row[1].tolist()) == (one.input_ids, one.labels)
        assert row[0].dtype == row[1].dtype == np.int32
    assert rows.lengths.tolist() == [len(ids) for ids, _ in rows]


def test_the_conversation_comes_back(folder: Path) -> None:
    row = Prepared(folder, TRAIN).conversation(2)
    assert row.place == "train.jsonl:3"
    assert row.values == {"phrase": "c äöü 猫 🙂"}
    assert row.messages == [
        {"role": "user", "content": "c äöü 猫 🙂"},
        {"role": "assistant", "content": "x"},
    ]


def test_it_is_a_sequence_that_nobody_writes_to(folder: Path) -> None:
    rows = Prepared(folder, TRAIN)
    assert rows[-1][0].tolist() == rows[3][0].tolist()
    with pytest.raises(IndexError):
        rows[4]
    with pytest.raises(ValueError, match="read-only"):
        rows[0][0][0] = 1


def test_both_sides_are_there(folder: Path) -> None:
    assert Prepared(folder, HELD_OUT).place(0) == "held-out.jsonl:1"


@pytest.mark.parametrize("damage", ["missing", "empty"])
def test_what_is_not_there_is_said(folder: Path, damage: str) -> None:
    file = folder / "train.arrow"
    file.unlink()
    if damage == "empty":
        file.write_bytes(b"")
    with pytest.raises(ScaffoldError, match="are missing") as caught:
        Prepared(folder, TRAIN)
    assert caught.value.exit_code == 1
    assert caught.value.fix == "phi3scaffold data"
