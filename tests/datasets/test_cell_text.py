"""Numbers, booleans and missing values are the same text, whichever format they come from."""

from __future__ import annotations

import csv
import datetime
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from phi3scaffold.datasets.cell_text import cell_text, plain_labels
from phi3scaffold.datasets.conversations import Conversation, conversation
from phi3scaffold.datasets.detection import guess
from phi3scaffold.datasets.reader import read_rows
from phi3scaffold.datasets.spec import DatasetSpec


def read_as(text: str, labels: list[str]) -> str | None:
    """The one of the labels that dataset.yaml has which a text is read as."""
    return DatasetSpec(Path(), "classify", (), 0.2, labels=tuple(labels)).label_of(text)


NOT_A_NUMBER, ENDLESS = float("nan"), float("inf")
TEXTS: list[tuple[Any, str | None]] = [
    ("as it is ", "as it is "),
    ("1.0", "1.0"),
    ("true", "true"),
    ("NaN", "NaN"),
    (True, "True"),
    (False, "False"),
    (0, "0"),
    (-12, "-12"),
    (10**30, "1" + "0" * 30),
    (4.0, "4"),
    (-0.0, "0"),
    (0.1, "0.1"),
    (2.5, "2.5"),
    (1e22, "1e+22"),
    (Decimal("3.00"), "3"),
    (Decimal("2.50"), "2.5"),
    (None, ""),
    (NOT_A_NUMBER, ""),
    (ENDLESS, ""),
    (-ENDLESS, ""),
    (Decimal("NaN"), ""),
    (datetime.date(2024, 3, 1), "2024-03-01"),
    (datetime.datetime(2024, 3, 1), "2024-03-01"),
    (datetime.datetime(2024, 3, 1, 9, 30), "2024-03-01 09:30:00"),
    (datetime.time(9, 30), "09:30:00"),
    ([1], None),
    ({"a": 1}, None),
    (b"a", None),
]


@pytest.mark.parametrize(("value", "text"), TEXTS, ids=lambda value: repr(value)[:30])
def test_the_text_of_a_value(value: Any, text: str | None) -> None:
    assert cell_text(value) == text


@pytest.mark.parametrize(
    ("texts", "labels"),
    [
        (["joy", "fear"], ["fear", "joy"]),
        (["True", "False"], ["False", "True"]),
        (["true", "false"], ["False", "True"]),
        (["TRUE", "True", "false"], ["False", "True"]),
        (["0.0", "4.0"], ["0", "4"]),
        (["0", "4.0"], ["0", "4"]),
        (["1.0", "1.5"], ["1.0", "1.5"]),
        (["2.0", "2.1"], ["2.0", "2.1"]),
        (["1", "1.0", "joy"], ["1", "joy"]),
        (["01", "1"], ["01", "1"]),
        (["-1.0", "1.0"], ["-1", "1"]),
    ],
)
def test_the_labels_of_a_column(texts: list[str], labels: list[str]) -> None:
    assert sorted(set(plain_labels(texts).values())) == labels
    assert {read_as(text, labels) for text in texts} == set(labels)


@pytest.mark.parametrize(
    ("text", "labels", "label"),
    [
        ("true", ["True", "False"], "True"),
        ("True", ["true", "false"], "true"),
        ("1", ["1.0", "0.0"], "1.0"),
        ("1.0", ["0", "1"], "1"),
        ("joy ", ["joy", "fear"], None),
        ("1.5", ["0", "1"], None),
        ("3", ["1", "2"], None),
    ],
)
def test_a_later_file_may_spell_a_label_otherwise(
    text: str, labels: list[str], label: str | None
) -> None:
    assert read_as(text, labels) == label


KINDS = ["csv", "tsv", "jsonl", "json", "parquet", "class-label.parquet"]
LABELS: dict[str, tuple[list[Any], list[str]]] = {
    "integers": ([0, 1, 2, 3], ["0", "1", "2", "3"]),
    "booleans": ([True, False], ["False", "True"]),
    "whole floats": ([0.0, 1.0, 2.0], ["0", "1", "2"]),
    "fractions": ([0.5, 1.5], ["0.5", "1.5"]),
    "negative": ([-1, 1], ["-1", "1"]),
}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    """The rows as pandas and datasets write them: with types where the format has types."""
    kind = path.name.partition(".")[2]
    if kind.endswith("parquet"):
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.Table.from_pylist(rows)
        if kind.startswith("class"):
            names = sorted({str(row["label"]) for row in rows})
            numbers = [names.index(str(row["label"])) for row in rows]
            table = table.set_column(1, "label", pa.array(numbers))
            about = {"features": {"label": {"names": names, "_type": "ClassLabel"}}}
            table = table.replace_schema_metadata({"huggingface": json.dumps({"info": about})})
        pq.write_table(table, path)
    elif kind in ("csv", "tsv"):
        with path.open("w", newline="", encoding="utf-8") as stream:
            table = csv.DictWriter(stream, list(rows[0]), delimiter="\t" if kind == "tsv" else ",")
            table.writeheader()
            table.writerows(rows)
    elif kind == "json":
        path.write_text(json.dumps(rows))
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", LABELS)
def test_labels_are_alike_from_every_format(name: str, kind: str, tmp_path: Path) -> None:
    values, labels = LABELS[name]
    rows = [{"text": f"row {n}", "label": values[n % len(values)]} for n in range(40)]
    path = write(tmp_path / f"rows.{kind}", rows)
    found = guess([path], "classify")
    if not kind.startswith("class"):
        assert found.labels == tuple(labels)
    made = [conversation(row, found.spec()) for row in read_rows([path])]
    answers = [read_as(one.answer, labels) for one in made if isinstance(one, Conversation)]
    assert answers == [cell_text(row["label"]) for row in rows]


def test_one_format_for_training_and_another_held_out(tmp_path: Path) -> None:
    rows = [{"text": f"row {n}", "label": n % 2 == 0} for n in range(40)]
    paths = [write(tmp_path / f"rows.{kind}", rows) for kind in KINDS[:-1]]
    assert guess(paths, "classify").labels == ("False", "True")


@pytest.mark.parametrize("kind", ["jsonl", "json", "parquet"])
@pytest.mark.parametrize(("answer", "text"), [(6, "6"), (6.0, "6"), (0.25, "0.25"), (True, "True")])
def test_an_answer_may_be_a_number(kind: str, answer: Any, text: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"rows.{kind}", [{"question": "How many?", "answer": answer}])
    found = guess([path], "qa")
    made = [conversation(row, found.spec()) for row in read_rows([path])]
    assert [one.answer for one in made if isinstance(one, Conversation)] == [text]
