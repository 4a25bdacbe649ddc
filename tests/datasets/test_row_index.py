"""The index of the rows answers over all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from phi3scaffold.datasets.row_index import COLUMNS, Index
from phi3scaffold.datasets.split import HELD, TRAINED, VALIDATING


@pytest.fixture
def index(tmp_path: Path):
    made = Index(tmp_path / "index.sqlite")
    yield made
    made.close()


def add(index: Index, side: int, *rows: tuple[int, int, str], start: int = 0) -> None:
    """Rows of (prompt, answer, label)."""
    columns: dict[str, list] = {name: [0] * len(rows) for name in COLUMNS}
    columns |= {"file": ["f"] * len(rows), "line": list(range(len(rows)))}
    columns |= {"private": [""] * len(rows), "reason": [""] * len(rows)}
    columns["prompt"] = [prompt for prompt, _, _ in rows]
    columns["answer"] = [answer for _, answer, _ in rows]
    columns["whole"] = [1000 * prompt + answer for prompt, answer, _ in rows]
    columns["label"] = [label for _, _, label in rows]
    index.add(start, side, columns)


def test_a_group_has_the_label_of_most_of_its_rows(index: Index) -> None:
    of_b = ((1, 1, "b"), (4, 1, "b"), (5, 1, "b"))
    add(index, TRAINED, *of_b, (2, 2, "a"), (3, 2, "a"), (5, 2, "a"))
    index.add_near([[1, 2, 3]])
    groups = index.groups()
    found = zip(groups.ids.tolist(), groups.labels.tolist(), groups.rows.tolist(), strict=True)
    assert list(found) == [(1, 0, 3), (4, 1, 1), (5, 0, 2)]  # of equals the first label


def test_doubles_are_dropped_on_each_side_by_itself(index: Index) -> None:
    add(index, TRAINED, (1, 1, ""), (1, 1, ""), (2, 1, ""))
    add(index, HELD, (3, 1, ""), (3, 1, ""), (2, 9, ""), start=3)
    index.drop_doubles()
    index.drop_leaks()
    assert index.sides(0, 6).tolist() == [TRAINED, -1, TRAINED, HELD, -1, -1]
    assert index.ask("SELECT * FROM leaks") == [(5, 2)]


def test_a_row_that_was_dropped_has_no_doubles(index: Index) -> None:
    add(index, TRAINED, (1, 1, ""), (1, 1, ""))
    index.ask("UPDATE rows SET reason = 'too long' WHERE row = 0")
    index.drop_doubles()
    assert index.ask("SELECT reason FROM rows") == [("too long",), (None,)]


def test_a_leak_is_a_row_of_a_later_set(index: Index) -> None:
    add(index, TRAINED, (1, 1, ""), (2, 1, ""), (3, 1, ""))
    add(index, VALIDATING, (1, 2, ""), (4, 1, ""), start=3)
    add(index, HELD, (4, 9, ""), (2, 9, ""), (1, 9, ""), (5, 1, ""), start=5)
    index.drop_leaks()
    assert index.sides(0, 9).tolist() == [0, 0, 0, -1, 1, -1, -1, -1, 2]
    assert index.ask("SELECT * FROM leaks") == [(3, 0), (5, 4), (6, 1), (7, 0)]


def test_only_groups_of_training_files_move(index: Index) -> None:
    add(index, TRAINED, (1, 1, ""), (2, 1, ""), (2, 2, ""), (3, 1, ""))
    add(index, HELD, (4, 1, ""), start=4)
    index.add_near([[1, 4]])
    assert index.groups().ids.tolist() == [1, 2, 3]
    index.move([1, 2], [VALIDATING, HELD])
    assert index.sides(0, 5).tolist() == [VALIDATING, HELD, HELD, TRAINED, HELD]
