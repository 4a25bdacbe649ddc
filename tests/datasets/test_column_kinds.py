"""What a column holds, where its name or one odd row says otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from phi3scaffold.datasets.detection.column_kinds import ID, NESTED, RARE, TEXT, RowColumn

from .conftest import different

TEXTS: list[Any] = different(200)
IDS: list[Any] = [f"c{number:05}" for number in range(200)]
LISTS: list[Any] = [[text] for text in TEXTS]

KINDS = [
    ("the ids of texts", "comment_id", IDS, ID),
    ("the same under another name", "reviewId", IDS, ID),
    ("texts", "comment", TEXTS, TEXT),
    ("one list among texts", "comment", [*TEXTS[:120], ["a"], *TEXTS[121:]], TEXT),
    ("one text among lists", "comment", [*LISTS[:120], "a", *LISTS[121:]], NESTED),
    ("a text in one row of two hundred", "extra", [*[None] * 199, TEXTS[0]], RARE),
    ("a text in every tenth row", "extra", [*TEXTS[:20], *[None] * 180], TEXT),
]


@pytest.mark.parametrize(("name", "column", "values", "kind"), KINDS, ids=[k[0] for k in KINDS])
def test_kinds(name: str, column: str, values: list[Any], kind: str) -> None:
    assert RowColumn(column, values).kind == kind
