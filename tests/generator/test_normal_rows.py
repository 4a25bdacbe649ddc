"""Files as programs export them, given to `new`: what lies in the project, and what is said."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import openpyxl
import pytest

from phi3scaffold import generator
from phi3scaffold.datasets.normalization import LOOK, ReadingOptions
from phi3scaffold.datasets.reader import read_rows
from phi3scaffold.datasets.spec import load_spec
from phi3scaffold.generator.data_argument import hub_address
from phi3scaffold.generator.row_source import user_rows
from phi3scaffold.project.errors import ScaffoldError

TEXTS = (
    "Das Gerät wurde nicht geliefert.",
    "Schöne Grüße aus München!",
    "Die Tür schließt nicht mehr.",
    "Alles kam pünktlich an, danke sehr.",
    "Für 5 € ist es schön.",
    "Wir hätten gern größere Räume.",
)
LABELS = ("ärger", "freude")
ROWS = [{"text": TEXTS[n % 6], "label": LABELS[n % 2]} for n in range(12)]
BARE = "".join(f'"{row["text"]}",{row["label"]}\n' for row in ROWS)
CSV = f"text,label\n{BARE}"
JSONL = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
LIST = json.dumps(ROWS, ensure_ascii=False)
BY_POSITION = [{"column_1": row["text"], "column_2": row["label"]} for row in ROWS]
NO_HEADER = (
    "{} has no header: its columns are called column_1 to column_2 "
    "(--header if its first row does name them)"
)


class Case(NamedTuple):
    """A file, what `new` says first, and the rows of the project."""

    file: str
    content: bytes
    notes: Sequence[str] = ()
    rows: Sequence[dict[str, Any]] = ROWS
    reading: ReadingOptions = ReadingOptions()


def converted(file: str, name: str) -> str:
    return f"{file} was read as {name} and is written as UTF-8"


MARK = "UTF-8 with a byte order mark"
OLD_MAC = "rows.csv has old Mac line endings; the copy has line feeds"
RUSSIAN = [
    {"text": text, "label": label}
    for text, label in (
        ("Спасибо большое за помощь", "радость"),
        ("Мне очень грустно сегодня", "грусть"),
        ("Всё сломалось в первый же день", "грусть"),
        ("Очень хорошая и полезная книга", "радость"),
    )
]
JAPANESE = [
    {"text": text, "label": label}
    for text, label in (
        ("今日はとても楽しかったです", "喜"),
        ("明日は雨が降るでしょう", "悲"),
        ("電池が一週間で切れました", "悲"),
        ("また買いたいと思います", "喜"),
    )
]


def table(rows: Sequence[dict[str, Any]], mark: str = ",") -> str:
    lines = [mark.join(rows[0]), *(mark.join(row.values()) for row in rows)]
    return "".join(f"{line}\n" for line in lines)


NORMAL = {
    "UTF-8": Case("rows.csv", CSV.encode()),
    "windows-1252": Case("rows.csv", CSV.encode("cp1252"), [converted("rows.csv", "windows-1252")]),
    "windows-1252 jsonl": Case(
        "rows.jsonl", JSONL.encode("cp1252"), [converted("rows.jsonl", "windows-1252")]
    ),
    "windows-1252 json": Case(
        "rows.json", LIST.encode("cp1252"), [converted("rows.json", "windows-1252")]
    ),
    "windows-1252, packed": Case(
        "rows.csv.gz",
        gzip.compress(CSV.encode("cp1252")),
        [converted("rows.csv.gz", "windows-1252")],
    ),
    "windows-1251": Case(
        "rows.csv",
        table(RUSSIAN).encode("cp1251"),
        [converted("rows.csv", "windows-1251")],
        RUSSIAN,
    ),
    "koi8": Case(
        "rows.csv", table(RUSSIAN).encode("koi8_r"), [converted("rows.csv", "koi8-r")], RUSSIAN
    ),
    "Shift JIS": Case(
        "rows.csv", table(JAPANESE).encode("cp932"), [converted("rows.csv", "cp932")], JAPANESE
    ),
    "UTF-16": Case("rows.csv", CSV.encode("utf-16"), [converted("rows.csv", "UTF-16")]),
    "UTF-16 without a mark": Case(
        "rows.csv", CSV.encode("utf-16-le"), [converted("rows.csv", "UTF-16")]
    ),
    "UTF-16, big end first": Case(
        "rows.jsonl", JSONL.encode("utf-16-be"), [converted("rows.jsonl", "UTF-16")]
    ),
    "UTF-16 with tabs, as Excel's Unicode text": Case(
        "rows.tsv",
        table(ROWS[:4], "\t").encode("utf-16"),
        [converted("rows.tsv", "UTF-16")],
        ROWS[:4],
    ),
    "UTF-32": Case("rows.json", LIST.encode("utf-32"), [converted("rows.json", "UTF-32")]),
    "a byte order mark": Case("rows.csv", CSV.encode("utf-8-sig"), [converted("rows.csv", MARK)]),
    "old Mac": Case("rows.csv", CSV.replace("\n", "\r").encode(), [OLD_MAC]),
    "old Mac jsonl": Case(
        "rows.jsonl",
        JSONL.replace("\n", "\r").encode(),
        [OLD_MAC.replace("csv", "jsonl")],
    ),
    "named": Case(
        "rows.csv",
        CSV.replace("€", "$").encode("cp850"),
        [converted("rows.csv", "cp850")],
        [{**row, "text": row["text"].replace("€", "$")} for row in ROWS],
        ReadingOptions("cp850"),
    ),
    "no header": Case("rows.csv", BARE.encode(), [NO_HEADER.format("rows.csv")], BY_POSITION),
    "no header, tabs": Case(
        "rows.tsv",
        BARE.replace('",', '"\t').encode(),
        [NO_HEADER.format("rows.tsv")],
        BY_POSITION,
    ),
    "no header, packed": Case(
        "rows.csv.gz",
        gzip.compress(BARE.encode()),
        [NO_HEADER.format("rows.csv.gz")],
        BY_POSITION,
    ),
    "no header behind sep=": Case(
        "rows.csv",
        b"sep=;\r\n" + BARE.replace('",', '";').replace("\n", "\r\n").encode(),
        [NO_HEADER.format("rows.csv")],
        BY_POSITION,
    ),
    "no header, windows-1252": Case(
        "rows.csv",
        BARE.encode("cp1252"),
        [converted("rows.csv", "windows-1252"), NO_HEADER.format("rows.csv")],
        BY_POSITION,
    ),
    "a header that only a person knows of": Case(
        "rows.csv",
        b"Dies ist gut.,freude\n" + BARE.encode(),
        [],
        [{"Dies ist gut.": row["text"], "freude": row["label"]} for row in ROWS],
        ReadingOptions(header=True),
    ),
    "no header, as only a person knows": Case(
        "rows.csv",
        CSV.encode(),
        [NO_HEADER.format("rows.csv")],
        [{"column_1": "text", "column_2": "label"}, *BY_POSITION],
        ReadingOptions(header=False),
    ),
}


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., tuple[Path, list[str]]]:
    """``project(data, reading)``: a new project's datasets/, and what was said."""

    def make(data: Any, reading: ReadingOptions = LOOK) -> tuple[Path, list[str]]:
        said: list[str] = []
        answers = {"model": "tiny", "task": "classify"}
        root = generator.new(
            tmp_path / "proj", answers, data=data, reading=reading, git=False, wheel=False,
            say=said.append,
        )  # fmt: skip
        return root / "datasets", said

    return make


@pytest.mark.parametrize("name", NORMAL)
def test_the_project_has_normal_rows(
    name: str, tmp_path: Path, project: Callable[..., tuple[Path, list[str]]]
) -> None:
    case = NORMAL[name]
    mine = tmp_path / case.file
    mine.write_bytes(case.content)
    datasets, said = project(mine, case.reading)
    assert [line for line in said[1:] if case.file in line] == list(case.notes)
    assert mine.read_bytes() == case.content
    (train,) = load_spec(datasets / "dataset.yaml").train
    assert train == datasets / case.file
    assert [row.values for row in read_rows([train])] == list(case.rows)
    stored = train.read_bytes()
    text = gzip.decompress(stored) if case.file.endswith(".gz") else stored
    assert not text.startswith(b"\xef\xbb\xbf")
    assert text.decode()
    if not case.notes:
        assert stored == case.content


def test_where_several_encodings_fit_they_are_named(
    tmp_path: Path, project: Callable[..., tuple[Path, list[str]]]
) -> None:
    text = "text,label\n" + "¿Cómo está el niño?,pregunta\nMañana iré a España,plan\n" * 6
    (tmp_path / "rows.csv").write_bytes(text.encode("cp1252"))
    _, said = project(tmp_path / "rows.csv")
    (line,) = [line for line in said if "was read as" in line]
    assert line.startswith(
        "rows.csv was read as windows-1252 and is written as UTF-8; it could be "
    )
    assert "windows-1250" in line
    assert line.endswith("as well (--encoding NAME chooses)")


def book(path: Path, rows: Sequence[Sequence[Any]], sheet: str = "Other") -> Path:
    made = openpyxl.Workbook()
    made.active.append(["nothing"])
    made.active.append(["here"])
    page = made.create_sheet(sheet)
    for row in rows:
        page.append(row)
    made.save(path)
    return path


def test_a_sheet_that_is_named(
    tmp_path: Path, project: Callable[..., tuple[Path, list[str]]]
) -> None:
    values = [["text", "stars"], *([row["text"], n % 2] for n, row in enumerate(ROWS))]
    path = book(tmp_path / "my book.xlsx", values, "Sheet 2")
    datasets, said = project(f"{path}#Sheet 2")
    assert said[1:3] == [
        "sheet 'Sheet 2' is read, not 'Sheet' (--data 'my book.xlsx#Sheet' reads another)",
        "the rows of my book.xlsx are written as my-book-Sheet-2.jsonl",
    ]
    rows = [row.values for row in read_rows([datasets / "my-book-Sheet-2.jsonl"])]
    assert rows == [{"text": row["text"], "stars": n % 2} for n, row in enumerate(ROWS)]


def test_a_sheet_that_is_not_there(tmp_path: Path) -> None:
    path = book(tmp_path / "book.xlsx", [["text"], ["a"]])
    with pytest.raises(ScaffoldError) as caught:
        user_rows(f"{path}#Rows", None)
    assert caught.value.what == "The workbook has no sheet 'Rows'."
    assert caught.value.fix == "one of: Sheet, Other"


def test_a_workbook_stays_a_workbook(
    tmp_path: Path, project: Callable[..., tuple[Path, list[str]]]
) -> None:
    path = tmp_path / "rows.xlsx"
    made = openpyxl.Workbook()
    for row in [["text", "label"], *(list(row.values()) for row in ROWS)]:
        made.active.append(row)
    made.save(path)
    datasets, _ = project(path)
    assert (datasets / "rows.xlsx").read_bytes() == path.read_bytes()
    assert [row.values for row in read_rows([datasets / "rows.xlsx"])] == ROWS


def test_a_workbook_without_header(
    tmp_path: Path, project: Callable[..., tuple[Path, list[str]]]
) -> None:
    made = openpyxl.Workbook()
    for row in ROWS:
        made.active.append(list(row.values()))
    made.save(tmp_path / "rows.xlsx")
    datasets, said = project(tmp_path / "rows.xlsx")
    assert NO_HEADER.format("rows.xlsx") in said
    assert "the rows of rows.xlsx are written as rows.jsonl" in said
    assert [row.values for row in read_rows([datasets / "rows.jsonl"])] == BY_POSITION


def test_a_folder_with_one_file_to_convert(
    tmp_path: Path, project: Callable[..., tuple[Path, list[str]]]
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "train.csv").write_bytes(CSV.encode("cp1252"))
    (mine / "test.csv").write_bytes(CSV.encode())
    datasets, said = project(mine)
    assert converted("train.csv", "windows-1252") in said
    assert (datasets / "mine" / "train.csv").read_text(encoding="utf-8") == CSV
    assert (datasets / "mine" / "test.csv").read_text(encoding="utf-8") == CSV


@pytest.mark.parametrize(
    ("broken", "line"),
    [(CSV + "a,b,c\n", 14), (BARE + "a,b,c\n", 13)],
    ids=["converted", "with a header of ours"],
)
def test_an_error_names_the_users_own_file_and_line(broken: str, line: int, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(broken.encode("cp1252"))
    with pytest.raises(ScaffoldError) as caught:
        user_rows(path, "classify")
    assert caught.value.what == "The row has 3 fields, the header 2."
    assert caught.value.where == f"{path}:{line}"


@pytest.mark.parametrize(
    ("content", "reading", "what", "where"),
    [
        (CSV.encode(), ReadingOptions("utf-99"), "There is no encoding 'utf-99'.", "--encoding"),
        (CSV.encode(), ReadingOptions("base64"), "There is no encoding 'base64'.", "--encoding"),
        (b"a,b\n\x81,c\n", ReadingOptions("cp1252"), "not windows-1252: byte 0x81", "rows.csv:2"),
        (CSV.encode() + b"\xe9,a\n", ReadingOptions(), "not UTF-8: byte 0xe9.", "rows.csv:14"),
        (b"\x89PNG\r\n\x1a\n" + bytes(99), ReadingOptions(), "not UTF-8: byte 0x89.", "rows.csv:1"),
    ],
)
def test_what_cannot_be_converted(
    content: bytes, reading: ReadingOptions, what: str, where: str, tmp_path: Path
) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    with pytest.raises(ScaffoldError) as caught:
        generator.new(tmp_path / "proj", {"model": "tiny"}, data=path, reading=reading)
    assert what in caught.value.what
    assert str(caught.value.where).endswith(where)
    assert "dataset.yaml" not in str(caught.value.fix)
    assert [entry.name for entry in tmp_path.iterdir()] == ["rows.csv"]


def test_a_file_of_a_project_is_told_how_it_becomes_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(CSV.encode("cp1252"))
    with pytest.raises(ScaffoldError) as caught:
        list(read_rows([path]))
    assert "it seems to be windows-1252" in caught.value.what
    assert caught.value.where == f"{path}:2"
    assert "iconv -f windows-1252 -t UTF-8 rows.csv" in str(caught.value.fix)


HUB = "https://huggingface.co/datasets/org/name"


@pytest.mark.parametrize(
    ("address", "dataset"),
    [
        (HUB, "org/name"),
        (f"{HUB}/", "org/name"),
        (f"{HUB}/viewer/default/train?row=3", "org/name"),
        (f"{HUB}/tree/main", "org/name@main"),
        (f"{HUB}/blob/main/data/train.csv", "hf://datasets/org/name@main/data/train.csv"),
        (f"{HUB}/resolve/v1/a%20b.csv?download=true", "hf://datasets/org/name@v1/a b.csv"),
        ("http://www.huggingface.co/datasets/org/name", "org/name"),
        ("hf://datasets/org/name/x.csv", "hf://datasets/org/name/x.csv"),
        ("org/name@main", "org/name@main"),
        ("rows.csv", "rows.csv"),
        ("C:/rows.csv", "C:/rows.csv"),
    ],
)
def test_a_page_of_the_hub_is_the_dataset_that_it_shows(address: str, dataset: str) -> None:
    assert hub_address(address) == dataset


@pytest.mark.parametrize(
    "address",
    [
        "https://example.com/rows.csv",
        "s3://bucket/rows.csv",
        "https://huggingface.co/org/model",
        "https://raw.githubusercontent.com/a/b/main/rows.csv",
    ],
)
def test_another_web_address_is_told_what_to_do(address: str) -> None:
    with pytest.raises(ScaffoldError) as caught:
        user_rows(address, None)
    assert "a web address" in caught.value.what
    assert caught.value.where == f"--data {address}"
    assert "download it" in str(caught.value.fix)
