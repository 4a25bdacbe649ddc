"""Every usual kind of file gives the same rows, each with its line, as they are read."""

from __future__ import annotations

import csv
import gzip
import itertools
import json
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from phi3scaffold.datasets.formats.byte_stream import shown
from phi3scaffold.datasets.reader import Reading, read_rows
from phi3scaffold.datasets.split_names import by_name, kinds, split_of
from phi3scaffold.project.errors import ScaffoldError

ROWS = [
    {"question": 'a, "b"; c', "answer": "naïve 日本 😀"},
    {"question": "two\nlines", "answer": "a\rb"},
    {"question": "a\u2028b\tc", "answer": ""},
]


def write(path: Path, rows: list[dict[str, str]] = ROWS, encoding: str = "utf-8") -> Path:
    """The rows as the path's ending says, packed where it says so."""
    kind = path.name.removesuffix(".gz").rpartition(".")[2]
    packed = path.name.endswith(".gz")
    if kind == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=2)
        if packed:
            path.write_bytes(gzip.compress(path.read_bytes()))
        return path
    opened = gzip.open if packed else open
    with opened(path, "wt", encoding=encoding, newline="") as stream:
        if kind in ("csv", "tsv"):
            table = csv.DictWriter(stream, list(rows[0]), delimiter={"csv": ",", "tsv": "\t"}[kind])
            table.writeheader()
            table.writerows(rows)
        elif kind == "json":
            json.dump(rows, stream)
        else:
            stream.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return path


def values(*paths: Path) -> list[dict[str, Any]]:
    return [row.values for row in read_rows(paths)]


def places(path: Path) -> list[int]:
    return [row.line for row in read_rows([path])]


KINDS = ["jsonl", "ndjson", "json", "csv", "tsv", "parquet"]


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind(tmp_path: Path, kind: str, packed: str) -> None:
    path = write(tmp_path / f"rows.{kind}{packed}")
    reading = Reading([path])
    assert [row.values for row in reading] == ROWS
    assert reading.bytes_done == reading.bytes_total == path.stat().st_size
    assert [row.values for row in reading] == ROWS  # and again


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "tsv", "jsonl.gz"])
def test_a_bom_changes_nothing(tmp_path: Path, kind: str) -> None:
    assert values(write(tmp_path / f"rows.{kind}", encoding="utf-8-sig")) == ROWS


LINES = [
    ("rows.jsonl", '\n{"a": "b"}\r\n\r\n  {"a": "c"}  \n{"a": "d"}', [2, 4, 5]),
    ("rows.csv", 'a\r\nb\r\n"c\r\nd"\r\n\r\ne', [2, 3, 6]),
    ("rows.csv", "\n\na,b\nc,d\n", [4]),
    ("rows.csv", "a,b\rc,d\re,f\r", [2, 3]),  # as old spreadsheets end lines
    ("rows.json", '[{"a": "b"},\n\n{"a":\n"c"}, {"a": "d"}]', [1, 3, 4]),
    ("rows.json", '{"v": 1,\n"data": [{"a": "b"},\n{"a": "c"}], "n": [1, 2], "o": {}}', [2, 3]),
    ("rows.json", '{"a": "b"}\n{"a": "c"}\n', [1, 2]),  # lines, whatever the name says
    ("rows.json", '{\n"a": "b"\n}\n{\n"a": "c"\n}', [1, 4]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "lines"), LINES)
def test_the_line_is_where_the_row_begins(
    tmp_path: Path, name: str, text: str, lines: list[int]
) -> None:
    (tmp_path / name).write_bytes(text.encode())
    assert places(tmp_path / name) == lines
    assert next(iter(read_rows([tmp_path / name]))).place == f"{tmp_path / name}:{lines[0]}"


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_the_header_shows_what_parts_a_csv(tmp_path: Path, mark: str) -> None:
    rows = [["question", "the; best, answer"], ["a,b;c\td|", "e"]]
    with (tmp_path / "rows.csv").open("w", newline="") as stream:
        csv.writer(stream, delimiter=mark).writerows(rows)
    assert values(tmp_path / "rows.csv") == [dict(zip(*rows, strict=True))]


# a file, and its rows with their lines
TABLES = [
    ("sep=;\r\ntext;label\r\na, b;c\r\n", {3: {"text": "a, b", "label": "c"}}),
    ('"sep=;"\ntext;label\na;b\n', {3: {"text": "a", "label": "b"}}),
    ("SEP=|\ntext|label\na|b\n", {3: {"text": "a", "label": "b"}}),
    ("sep=\t\ntext\tlabel\na\tb\n", {3: {"text": "a", "label": "b"}}),
    ("\ufeffsep=,\ntext,label\na,b\n", {3: {"text": "a", "label": "b"}}),
    (",text,label\n0,a,b\n", {2: {"column_1": "0", "text": "a", "label": "b"}}),
    ("Unnamed: 0,text\n0,a\n", {2: {"Unnamed: 0": "0", "text": "a"}}),
    ("t,l\na,b\n,\n\nc,d\n,\n", {2: {"t": "a", "l": "b"}, 5: {"t": "c", "l": "d"}}),
    ("text,label,,\na,b,,\n", {2: {"text": "a", "label": "b", "column_3": "", "column_4": ""}}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "rows"), TABLES)
def test_tables_as_programs_write_them(
    tmp_path: Path, text: str, rows: dict[int, dict[str, str]]
) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(text.encode())
    assert {row.line: row.values for row in read_rows([path])} == rows


ONE_LINE = [
    ('[{"a": 1}, {"a": 2}, {"a": 3}]', ["row 1", "row 2", "row 3"]),
    ('{"data": [{"a": 1}, {"a": 2}]}', ["row 1", "row 2"]),
    ('{"a": 1} {"a": 2}', ["row 1", "row 2"]),
    ('[{"a": 1}, {"a": 2},\n{"a": 3}]', ["row 1", "row 2", "2"]),
]


@pytest.mark.parametrize(("text", "rows"), ONE_LINE)
def test_rows_on_one_line_are_counted(tmp_path: Path, text: str, rows: list[str]) -> None:
    path = tmp_path / "rows.json"
    path.write_text(text)
    assert [row.place.removeprefix(f"{path}:").strip() for row in read_rows([path])] == rows


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ('{"a" 1}', "Not valid JSON: expecting ':' delimiter."),
        ("3", "Each row must be a JSON object, not the number 3."),
        ('{"a": "x\\ud83d"}', "The escape \\ud83d is a lone surrogate"),
    ],
)
def test_an_error_in_a_one_line_list_names_the_row(tmp_path: Path, broken: str, says: str) -> None:
    path = tmp_path / "rows.json"
    path.write_text("[" + '{"a": 1}, ' * 36 + broken + ", {}]")
    with pytest.raises(ScaffoldError) as caught:
        list(read_rows([path]))
    assert says in caught.value.what
    assert caught.value.where == f"{path}: row 37"


@pytest.mark.parametrize("kind", ["jsonl", "json"])
def test_what_json_does_not_have_is_missing(tmp_path: Path, kind: str) -> None:
    row = '{"a": NaN, "b": Infinity, "c": -Infinity, "d": null, "e": "NaN", "f": [NaN]}'
    (tmp_path / f"rows.{kind}").write_text(row if kind == "jsonl" else f"[{row}]")
    missing = dict.fromkeys("abcd")
    assert values(tmp_path / f"rows.{kind}") == [{**missing, "e": "NaN", "f": [None]}]


@pytest.mark.parametrize(
    "text", ['"\\ud83d\\ude00"', '"\\\\ud83d"', '"\\uD83D\\uDE00 x"'], ids=["pair", "text", "big"]
)
def test_a_whole_character_is_no_half(tmp_path: Path, text: str) -> None:
    (tmp_path / "rows.jsonl").write_text(f'{{"a": {text}}}\n')
    assert values(tmp_path / "rows.jsonl") == [{"a": json.loads(text)}]


@pytest.mark.parametrize(
    ("text", "orient"),
    [
        ('{"text": {"0": "a", "1": "b"}, "label": {"0": 1, "1": 2}}', "columns"),
        ('{"0": {"text": "a"}, "1": {"text": "b"}}', "index"),
        ('{"columns": ["text"], "index": [0], "data": [["a"]]}', "split"),
    ],
)
def test_pandas_tables_that_are_no_rows(tmp_path: Path, text: str, orient: str) -> None:
    path = tmp_path / "rows.json"
    path.write_text(text)
    with pytest.raises(ScaffoldError) as caught:
        list(read_rows([path]))
    assert f"orient='{orient}'" in caught.value.what
    assert caught.value.where == f"{path}:1"
    assert 'orient="records", lines=True' in str(caught.value.fix)


def test_a_json_document_may_be_larger_than_what_is_read_at_once(tmp_path: Path) -> None:
    """Texts with quotes, escapes and brackets fall on every place where a part may end."""
    rows = [{"text": '\\"]}[{' * (n % 97) + "é" * (n % 13), "n": str(n)} for n in range(9000)]
    for name, document in (("list", rows), ("wrapped", {"about": {"a": [1]}, "data": rows})):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(document, indent=1))
        assert path.stat().st_size > 3 * 2**20
        assert values(path) == rows
        assert places(path)[-1] >= 4 * len(rows) - 2


def test_labels_that_the_hub_wrote_as_numbers(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    told = {"info": {"features": {"tone": {"names": ["joy", "fear"], "_type": "ClassLabel"}}}}
    table = pa.table({"tone": [1, 0, -1, None], "n": [1, 2, 3, 4]})
    table = table.replace_schema_metadata({"huggingface": json.dumps(told)})
    pq.write_table(table, tmp_path / "rows.parquet")
    assert [row["tone"] for row in values(tmp_path / "rows.parquet")] == ["fear", "joy", None, None]
    assert values(tmp_path / "rows.parquet")[0]["n"] == 1


def test_a_parquet_file_tells_how_far_it_is(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.parquet", [{"n": str(n)} for n in range(5000)])
    reading = Reading([path])
    seen = [reading.bytes_done for _ in reading]
    assert 0 < seen[2500] < reading.bytes_total
    assert seen == sorted(seen)


def test_a_folder_is_read_in_order_of_its_names(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / ".git").mkdir()
    for name, text in (("c.jsonl", "3"), ("b/z.csv.gz", "2"), ("a.tsv", "1"), (".git/x.csv", "0")):
        write(tmp_path / name, [{"n": text}])
    for name in ("README.md", "LICENSE", "dataset.yaml", ".hidden.docx", "notes.md"):
        (tmp_path / name).write_text("about the rows")
    (tmp_path / "again").symlink_to("b")  # a link to a folder beside it is no loop
    assert [row["n"] for row in values(tmp_path)] == ["1", "2", "2", "3"]


def test_files_come_one_after_another_and_the_end_is_known(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{name}.jsonl", [{"n": name}] * 3) for name in "ba"]
    reading = Reading(paths)
    assert [row.values["n"] for row in reading] == ["b"] * 3 + ["a"] * 3
    assert reading.bytes_total == sum(path.stat().st_size for path in paths) == reading.bytes_done
    assert reading.files == tuple(paths)


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "jsonl.gz", "parquet"])
def test_no_file_is_held_in_memory(tmp_path: Path, kind: str) -> None:
    rows = [{"text": f"{n} " + "long and dull " * 20} for n in range(40_000)]
    path = write(tmp_path / f"rows.{kind}", rows)
    reading = Reading([path])
    half = sum(1 for _ in itertools.islice(reading, 20_000))
    tracemalloc.start()
    try:
        rest = sum(1 for _ in reading)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (half, rest) == (20_000, 40_000)
    assert peak < 8 * 2**20  # the rows are 12 MB of text
    assert reading.bytes_done == reading.bytes_total


def test_the_first_row_comes_before_the_last_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": "b"}\n' * 300_000 + "broken")
    reading = iter(Reading([path]))
    assert next(reading).values == {"a": "b"}
    with pytest.raises(ScaffoldError, match="Not valid JSON") as caught:
        list(reading)
    assert caught.value.where == f"{path}:300001"


def test_a_file_of_the_hubs_cache_is_shown_by_its_address() -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    path = Path("/x/hub/datasets--org--the-name/snapshots") / commit / "data" / "train.csv"
    assert shown(path) == f"hf://datasets/org/the-name@{commit[:12]}/data/train.csv"
    assert shown(Path("/x/datasets--org--name/rows.csv")) == "/x/datasets--org--name/rows.csv"


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train.csv", "train"),
        ("data/train-00000-of-00002.parquet", "train"),
        ("test/0000.parquet", "test"),
        ("train/test.csv", "test"),
        ("held-out.jsonl", "test"),
        ("my_dev.tsv", "validation"),
        ("trains.csv", None),
        ("latest.csv", None),
        ("contest/rows.csv", None),
    ],
)
def test_what_a_name_says(name: str, split: str | None) -> None:
    assert split_of(name) == split


def test_splits_by_name() -> None:
    names = ["b/train-2.csv", "b/train-1.csv", "val.csv", "more.csv"]
    assert by_name(names) == (
        ("b/train-1.csv", "b/train-2.csv"),
        ("val.csv",),
        (),
        ("more.csv",),
    )
    assert by_name(["b.csv", "a.csv"]) == (("a.csv", "b.csv"), (), (), ())
    assert kinds(["a/x-1.csv", "a/x-22.csv"]) == ["a/x-1.csv"]
    assert kinds(["a/x-1.csv", "b/x-1.csv", "a/x-1.json"]) == [
        "a/x-1.csv",
        "a/x-1.json",
        "b/x-1.csv",
    ]


def test_reading_imports_neither_pyarrow_nor_the_hub_until_it_must() -> None:
    code = (
        "import sys, phi3scaffold.datasets.reader, phi3scaffold.datasets.dataset_hub\n"
        "late = ('pyarrow', 'huggingface_hub', 'yaml')\n"
        "print([name for name in late if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
