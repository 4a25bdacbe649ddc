"""What the rows hold and dataset.yaml does not use is named, with its count of rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from phi3scaffold.datasets.findings import findings
from phi3scaffold.datasets.message_format import Messages
from phi3scaffold.datasets.reader import Row
from phi3scaffold.datasets.spec import DatasetSpec
from phi3scaffold.datasets.unused import unused_parts, unused_text
from tests.datasets.conftest import QA, different

FILLED = DatasetSpec(Path("d.yaml"), "qa", (), 0.2, "{q}\n{context}", "{a}")
WHOLE = DatasetSpec(Path("d.yaml"), "chat", (), 0.2, messages=Messages("talk", "from", "value"))


def rows(*values: dict[str, Any]) -> list[Row]:
    return [Row(Path("rows.jsonl"), line, each) for line, each in enumerate(values, 1)]


def test_columns_that_hold_something_are_counted() -> None:
    parts = unused_parts(
        rows(
            {"q": "a", "context": "b", "a": "c", "id": 0, "score": 1.5, "seen": False},
            {"q": "a", "a": "c", "id": 7, "score": float("nan"), "seen": None},
            {"q": "a", "a": "c", "note": " ", "tags": [], "more": {}, "id": "x"},
        ),
        FILLED,
    )
    assert parts.counts() == {"columns": {"id": 3, "score": 1, "seen": 1}, "turn_keys": {}}
    assert unused_text(parts) == "not used: `id` (3 rows), `score` (1 row), `seen` (1 row)"
    assert unused_text(parts, of_more=True).startswith("not used of the first 3 rows: `id`")


def test_keys_of_turns_are_counted_once_a_row() -> None:
    turn = {"from": "human", "value": "x", "mood": "glad", "date": None}
    parts = unused_parts(rows({"talk": [turn, turn]}, {"talk": [turn], "id": 1}), WHOLE)
    assert parts.counts() == {"columns": {"id": 1}, "turn_keys": {"mood": 2}}
    assert unused_text(parts) == "not used: `id` (1 row), `mood` of a turn (2 rows)"


def test_nothing_is_said_where_all_is_used() -> None:
    assert unused_text(unused_parts(rows({"q": "a", "context": "", "a": "b"}), FILLED)) == ""


@pytest.mark.parametrize("files", [{}, {"held_out": True}])
def test_the_report_counts_every_row(make, files: dict[str, bool]) -> None:
    """Dropped ones too, whatever shard they are in."""
    told = [{"phrase": text, "tone": text[:4], "id": n} for n, text in enumerate(different(1100))]
    told[5]["tone"] = ""
    yaml, held_out = QA, []
    if files:
        yaml = QA.replace("0.25", "[held-out.jsonl]")
        held_out = [{"phrase": t, "tone": "x", "id": 1, "by": "me"} for t in different(9, seed=1)]
    report = make(told, yaml, **({"held_out": held_out} if files else {})).report
    columns = {"id": 1109, "by": 9} if files else {"id": 1100}
    assert report["unused"] == {"columns": columns, "turn_keys": {}}
    (found,) = [each for each in findings(report) if each.name == "not used"]
    assert found.counts == tuple((f"column {name}", n, ()) for name, n in columns.items())
    assert not found.warn
