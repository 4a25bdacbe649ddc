"""A folder whose files name splits: which of them trains, validates and is held out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from phi3scaffold.generator.row_source import user_rows

TONES = [{"phrase": f"Row {n}.", "tone": ("joy", "fear")[n % 2]} for n in range(6)]


@pytest.mark.parametrize(
    ("names", "unlabelled", "files", "told"),
    [
        (
            ("validation", "test"),
            (),
            {"validation": ["rows/validation.jsonl"], "held_out": ["rows/test.jsonl"]},
            "split validates; the test split is held out; not used: notes.jsonl",
        ),
        (
            ("dev",),
            (),
            {"validation": ["rows/dev.jsonl"], "held_out": 0.2},
            "split validates; 20% of the train split is held out; not used: notes.jsonl",
        ),
        (
            ("test",),
            (),
            {"validation": "auto", "held_out": ["rows/test.jsonl"]},
            "the test split is held out; not used: notes.jsonl",
        ),
        (
            ("valid", "test"),
            ("test",),
            {"validation": ["rows/valid.jsonl"], "held_out": 0.2},
            "20% of the train split is held out; not used: notes.jsonl, test (no answers)",
        ),
        (
            ("val", "test"),
            ("val",),
            {"validation": "auto", "held_out": ["rows/test.jsonl"]},
            "the test split is held out; not used: notes.jsonl, validation (no answers)",
        ),
        (
            ("test",),
            ("test",),
            {"validation": "auto", "held_out": 0.2},
            "; not used: notes.jsonl, test (no answers)",
        ),
    ],
)
def test_a_folder_with_splits(
    tmp_path: Path,
    names: tuple[str, ...],
    unlabelled: tuple[str, ...],
    files: dict[str, Any],
    told: str,
) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()
    for name in ("train-1", "train-2", "notes", *names):
        rows = [{"phrase": "a"}] if name in unlabelled else TONES
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = user_rows(folder, "classify")
    train = ["rows/train-1.jsonl", "rows/train-2.jsonl"]
    written = {key: source.answer[key] for key in ("train", "validation", "held_out")}
    assert written == {"train": train, **files}
    named = [name for value in written.values() if isinstance(value, list) for name in value]
    assert sorted(source.files) == sorted(named)
    assert told in source.summary
