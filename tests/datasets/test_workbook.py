"""Workbooks give the rows that a person sees in them."""

from __future__ import annotations

import datetime
import gzip
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from phi3scaffold.datasets.formats import workbook
from phi3scaffold.datasets.formats.registry import format_of
from phi3scaffold.datasets.reader import read_rows
from phi3scaffold.project.errors import ScaffoldError

TABLE = [["text", "label"], ["It works.", "joy"], ["It broke.", "fear"]]
ROWS = {2: {"text": "It works.", "label": "joy"}, 3: {"text": "It broke.", "label": "fear"}}


def book(path: Path, *sheets: list[list[Any]]) -> Path:
    made = openpyxl.Workbook()
    made.remove(made.active)
    for number, rows in enumerate(sheets, 1):
        page = made.create_sheet(f"Sheet {number}")
        for row in rows:
            page.append(row)
    made.save(path)
    return path


def change(path: Path, part: str, edit: Callable[[str], str]) -> Path:
    """The workbook with one of its parts rewritten."""
    with zipfile.ZipFile(path) as before:
        parts = {name: before.read(name) for name in before.namelist()}
    parts[part] = edit(parts[part].decode()).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as after:
        for name, content in parts.items():
            after.writestr(name, content)
    return path


def rows(path: Path) -> dict[int, dict[str, Any]]:
    return {row.line: row.values for row in read_rows([path])}


def refused(path: Path) -> ScaffoldError:
    with pytest.raises(ScaffoldError) as caught:
        list(read_rows([path]))
    return caught.value


SHEET = "xl/worksheets/sheet1.xml"


def test_every_kind_of_cell(tmp_path: Path) -> None:
    day = datetime.datetime(2024, 3, 1)
    path = book(
        tmp_path / "rows.xlsx",
        [
            ["text", "whole", "fraction", "day", "time", "truth", "gap", "error"],
            ["a\nb", 3, 2.5, day, day.replace(hour=9), True, None, "#N/A"],
            [],
            ["_x000D_", 4.0, -1, day.date(), datetime.time(9, 30), False, "", "#DIV/0!"],
        ],
    )
    first, second = rows(path).items()
    assert first == (
        2,
        {
            "text": "a\nb", "whole": 3, "fraction": 2.5, "day": "2024-03-01",
            "time": "2024-03-01 09:00:00", "truth": True, "gap": None, "error": None,
        },
    )  # fmt: skip
    assert second[0] == 4
    assert second[1]["text"] == "\r"
    assert (second[1]["day"], second[1]["time"]) == ("2024-03-01", "09:30:00")
    assert second[1]["truth"] is False
    assert second[1]["error"] is None


@pytest.mark.parametrize("name", ["rows.xlsx", "Rows.XLSX", "rows.xlsm"])
def test_the_first_sheet_is_read_and_the_others_are_named(tmp_path: Path, name: str) -> None:
    path = book(tmp_path / "made.xlsx", TABLE, [["other"]], []).rename(tmp_path / name)
    assert rows(path) == ROWS
    assert format_of(path).notes(path) == [
        f"sheet 'Sheet 1' is read, not 'Sheet 2', 'Sheet 3' (--data '{name}#Sheet 2' reads another)"
    ]


def test_a_hidden_sheet_is_not_the_first(tmp_path: Path) -> None:
    path = book(tmp_path / "rows.xlsx", [["x"], ["y"]], TABLE)
    made = openpyxl.load_workbook(path)
    made.worksheets[0].sheet_state = "hidden"
    made.save(path)
    assert rows(path) == ROWS
    assert format_of(path).notes(path) == []


def test_packed(tmp_path: Path) -> None:
    path = book(tmp_path / "rows.xlsx", TABLE)
    packed = tmp_path / "rows.xlsx.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert rows(packed) == ROWS


def test_empty_rows_and_a_title_above_the_header(tmp_path: Path) -> None:
    path = book(tmp_path / "rows.xlsx", [[], ["Export of May"], [], *TABLE])
    assert rows(path) == {number + 3: row for number, row in ROWS.items()}
    assert format_of(path).notes(path) == ["row 2 ('Export of May') is a title, not read"]


def test_a_column_without_a_name_is_called_by_its_position(tmp_path: Path) -> None:
    path = book(tmp_path / "rows.xlsx", [[None, "text"], [0, "a"], [1, "b", "see below"]])
    assert rows(path) == {
        2: {"column_1": 0, "text": "a"},
        3: {"column_1": 1, "text": "b", "column_3": "see below"},
    }


def test_one_column(tmp_path: Path) -> None:
    assert rows(book(tmp_path / "rows.xlsx", [["prompt"], ["a"]])) == {2: {"prompt": "a"}}


def test_a_wrong_dimension_hides_no_rows(tmp_path: Path) -> None:
    path = book(tmp_path / "rows.xlsx", TABLE)
    change(path, SHEET, lambda text: re.sub('<dimension ref="[^"]*"', '<dimension ref="A1"', text))
    assert rows(path) == ROWS


def test_a_formula_gives_what_was_saved(tmp_path: Path) -> None:
    path = book(tmp_path / "rows.xlsx", [["text", "label"], ["a", "=1+1"]])
    error = refused(path)
    assert error.what == "Cell B2 holds a formula without its value."
    assert "save it" in str(error.fix)
    saved = re.compile(r"(<f>1\+1</f>)<v(?: ?/>|></v>)")  # with lxml it writes both tags
    change(path, SHEET, lambda text: saved.sub(r"\1<v>2</v>", text))
    assert rows(path) == {2: {"text": "a", "label": 2}}


def test_a_merged_cell_in_the_header(tmp_path: Path) -> None:
    path = book(tmp_path / "rows.xlsx", [["text", "labels"], ["a", "b", "c"]])
    made = openpyxl.load_workbook(path)
    made.active.merge_cells("B1:C1")
    made.save(path)
    error = refused(path)
    assert error.what == "A header cell spans the columns B to C."
    assert error.where == f"{path}:1"


REFUSED = [
    ([["text", "text"], ["a", "b"]], "Two columns are called 'text'.", ":1"),
    ([["text", "label"]], "The data file holds no rows.", ""),
    ([], "The data file holds no rows.", ""),
]


@pytest.mark.parametrize(("table", "says", "at"), REFUSED)
def test_tables_that_are_refused(
    table: list[list[Any]], says: str, at: str, tmp_path: Path
) -> None:
    path = book(tmp_path / "rows.xlsx", table)
    error = refused(path)
    assert (error.what, error.where) == (says, f"{path}{at}")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"PK\x03\x04" + bytes(99), "Not a valid workbook"),
        (b"text,label\n", "Not a valid workbook"),
        (b"\xd0\xcf\x11\xe0" + bytes(99), "has a password, or is an old .xls"),
    ],
)
def test_what_is_no_workbook(content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "rows.xlsx").write_bytes(content)
    assert says in refused(tmp_path / "rows.xlsx").what


def test_a_zip_without_a_workbook_and_a_broken_sheet(tmp_path: Path) -> None:
    path = book(tmp_path / "rows.xlsx", TABLE)
    change(path, SHEET, lambda text: text[: len(text) // 2])
    assert "Not a valid workbook" in refused(path).what
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("rows.csv", "text,label\n")
    assert "Not a valid workbook" in refused(path).what


@pytest.mark.parametrize("part", [SHEET, "xl/styles.xml"])
def test_a_bomb_is_refused_before_it_is_unpacked(part: str, tmp_path: Path) -> None:
    path = book(tmp_path / "rows.xlsx", TABLE)
    change(path, part, lambda text: text.replace("</", " " * (65 << 20) + "</", 1))
    assert path.stat().st_size < 1 << 20
    error = refused(path)
    assert error.what == "The workbook unpacks to 65 MiB, more than can be read."
    assert error.where == str(path)


def test_a_packed_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "UNPACKED", 1 << 20)
    (tmp_path / "rows.xlsx.gz").write_bytes(gzip.compress(bytes(9 << 20)))
    assert "more than can be read" in refused(tmp_path / "rows.xlsx.gz").what


@pytest.mark.parametrize("ending", [".xls", ".xlsb", ".ods", ".numbers", ".arrow", ".zip"])
def test_what_is_not_read_is_told_by_name(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"rows{ending}"
    path.write_bytes(b"x")
    error = refused(path)
    assert f"({ending})" in error.what
    assert error.where == str(path)
    assert error.fix and "one of:" not in error.fix
