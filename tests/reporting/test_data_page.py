"""report.html: what it shows, and that nothing in a row becomes more than text."""

from __future__ import annotations

import copy
import json
import re
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from phi3scaffold.datasets.findings import GAP, fit
from phi3scaffold.project.formatting import binary_size, count, duration, share, visible
from phi3scaffold.project.settings import DEMONSTRATION
from phi3scaffold.reporting import data_page
from phi3scaffold.reporting.figures import bars, histogram
from tests.support.html import NASTY, Page
from tests.support.planted import ACROSS, DOUBTFUL, HELD_OUT, LEAKED, NEAR, TRAIN, TWICE


@pytest.fixture(scope="module")
def folder(planted: tuple[Path, str]) -> Path:
    return planted[0] / "gen-model" / "data"


@pytest.fixture(scope="module")
def written(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture
def report(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


def page_of(report: dict[str, Any], tmp_path: Path) -> Page:
    data_page.write(report, tmp_path / "report.html")
    return Page((tmp_path / "report.html").read_text(encoding="utf-8"))


def test_it_is_one_file_that_needs_nothing(written: str) -> None:
    found = Page(written)
    assert {tag for tag, _ in found.tags} & {"script", "link", "img", "iframe", "object"} == set()
    given = {name for _, attributes in found.tags for name in attributes}
    assert not given & {"src", "href", "xlink:href"}
    assert not [name for name in given if name.startswith("on")]
    assert "url(" not in written and "@import" not in written
    assert "default-src 'none'" in written


def test_it_is_made_for_every_screen_and_for_reading_aloud(written: str) -> None:
    found = Page(written)
    tags = [tag for tag, _ in found.tags]
    assert ("html", {"lang": "en"}) in found.tags
    assert "width=device-width" in written
    assert "prefers-color-scheme: dark" in written and "@media print" in written
    assert tags.count("h1") == 1 and tags.count("main") == 1
    assert all(a.get("role") == "img" for tag, a in found.tags if tag == "svg")
    assert tags.count("svg") == tags.count("desc") == 2
    assert all(a.get("scope") in ("row", "col") for tag, a in found.tags if tag == "th")
    ids = [a["id"] for _, a in found.tags if "id" in a]
    assert len(ids) == len(set(ids))


def test_everything_planted_is_shown_with_its_places(written: str) -> None:
    text = Page(written).text("article")
    for told in (
        *("access key (AWS): 1 row train.jsonl:10", "email address: 1 row train.jsonl:9"),
        *("1 prompt has different answers, in 2 rows.", DOUBTFUL, "Never held out: odd."),
        *("1 held-out row is in train", LEAKED, "train.jsonl:3, held-out.jsonl:1"),
        *("4 rows in 2 groups ask nearly the same thing", "1 held-out row has a twin in train"),
        *(*NEAR, *ACROSS, TWICE, "train.jsonl:1, train.jsonl:2"),
        *("1 row is the same as an earlier one", "1 row (5%) of more than 100 tokens"),
        *("4 rows: empty answer (1)", "dropped.jsonl"),
    ):
        assert told in text, told


def test_what_was_not_checked_is_said(written: str) -> None:
    assert "Not checked: paraphrases; " in Page(written).text("main")


def test_the_numbers_are_the_reports(written: str, report: dict[str, Any]) -> None:
    found = Page(written)
    tiles = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", written)
    train = report["tokens"]["train"]
    assert dict(tiles) == {
        "training rows": "13",
        "held-out rows": "3",
        "dropped rows": "4",
        "tokens per epoch": str(train["all"]),
        "tokens in the loss": share(train["trained"], train["all"]),
    }
    cells = [text.strip() for path, text in found.texts if path.endswith((" td", " th"))]
    assert cells[cells.index("fear") + 1 :][:2] == ["6 (46.2%)", "1 (33.3%)"]
    assert cells[cells.index("longest") + 1] == str(train["longest"])
    drawn = found.text("svg")
    assert "joy" in drawn and f"median {train['median']}" in drawn
    assert cells[cells.index("train.jsonl") + 1 :][:2] == ["training", str(len(TRAIN))]
    assert cells[cells.index("held-out.jsonl") + 1 :][:2] == ["held-out", str(len(HELD_OUT))]


def test_what_is_trained_is_marked(written: str) -> None:
    marked = [text for path, text in Page(written).texts if path.endswith("pre mark")]
    assert marked == ["fear<|end|>", "joy<|end|>", "odd<|end|>"]
    style = written[: written.index("</style>")]
    assert re.search(r"\nmark \{[^}]*background: var\(--mark\)[^}]*underline", style)


def test_a_row_stays_text(written: str) -> None:
    sample = Page(written).text("pre")
    assert "[[ <script>alert(1)</script> </style> & \\x1b[2J \\u202e $x$ \t end" in sample
    assert "\x1b" not in written and "\u202e" not in written


def test_no_text_anywhere_becomes_html(report: dict[str, Any], tmp_path: Path) -> None:
    """Every text of the report, the names of labels, files and columns among them, is nasty."""
    before = page_of(copy.deepcopy(report), tmp_path)
    report |= {"turns": NASTY, "columns": [NASTY], "dropped": {NASTY: 4}}
    report["private"] = {NASTY: {"rows": 9, "places": [NASTY]}}
    report["files"][0]["name"] = NASTY
    for side in ("train", "validation", "held_out"):
        report["labels"][side] = {NASTY: 3, **report["labels"][side]}
    for name in ("duplicates", "leaks"):
        report[name]["examples"][0] = {"places": [NASTY], "text": NASTY}
    report["near_duplicates"]["examples"][0] = {"places": [NASTY], "texts": [NASTY]}
    report["conflicts"]["examples"][0] = {"text": NASTY, "answers": {NASTY: [NASTY]}}
    report["samples"][0] = {"place": NASTY, "tokens": [[NASTY, 0], [NASTY, 1]]}
    after = page_of(report, tmp_path)
    kinds = {tag for tag, _ in before.tags}
    assert {tag for tag, _ in after.tags} == kinds
    assert visible(NASTY) in after.text("svg") or visible(NASTY)[:19] in after.text("svg")
    # form, column, reason, kind and its place, label (table, picture), file, examples, sample
    assert after.text("body").count(visible(NASTY)) >= 16
    raw = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "\x1b" not in raw and "\u202e" not in raw and "<script" not in raw


def test_the_same_report_is_the_same_page(written: str, folder: Path, tmp_path: Path) -> None:
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    begun = time.perf_counter()
    data_page.write(report, tmp_path / "again.html", DEMONSTRATION)
    assert time.perf_counter() - begun < 5  # 0.8 s on a quiet machine, matplotlib's import included
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == written
    assert DEMONSTRATION in written


def test_what_is_not_there_is_not_shown(report: dict[str, Any], tmp_path: Path) -> None:
    nothing = {"rows": 0, "groups": 0, "across_splits": 0, "prompts": 0, "examples": []}
    for name in ("duplicates", "near_duplicates", "conflicts", "leaks"):
        report[name] |= nothing
    report |= {"private": {}, "dropped": {}, "labels": None, "task": "qa"}
    report["rows"]["dropped"] = report["tokens"]["too_long"] = 0
    found = page_of(report, tmp_path)
    classes = [attributes.get("class") for tag, attributes in found.tags if tag == "article"]
    assert classes == ["finding", *["sample"] * 3]
    assert "None: fewer than 250 rows; training runs" in found.text("article")
    assert "Searched for and not found: duplicates, near duplicates" in found.text()
    assert "left out" not in found.text() and "Labels" not in found.text()


def test_pictures_are_whole_whatever_is_drawn() -> None:
    names = {"$a_b$": 3, "喜び": 2, "<b>&": 0, "a label with a name that does not end": 1}
    for drawn in (
        bars({"one": names}, "T < U", "& D"),
        bars({"one": names, "two": {}}, "T", "D"),
        bars({"one": {f"label {n}": n for n in range(24)}}, "T", "D"),
        histogram([0, 1, 2], {"one": [1, 0]}, {"median": 0}, "T", "D"),
        histogram(range(21), {"a": range(20), "b": [0] * 20}, {"median": 9, "95%": 19}, "T", "D"),
        histogram([0, 5_000_000], {"one": [10**9], "two": [1]}, {}, "T", "D"),
    ):
        root = ElementTree.fromstring(str(drawn))
        assert root[0].tag == "title" and root[1].tag == "desc"
        assert not re.search(r"#0000\d\d|DejaVu| id=", drawn)
    texts = [e.text for e in ElementTree.fromstring(str(bars({"one": names}, "", ""))).iter("text")]
    assert {"$a_b$", "喜び", "<b>&", "a label with a name…", "3"} <= set(texts)


@pytest.mark.parametrize(
    ("tokens", "most", "expected"),
    [
        ([["a", 0], ["b", 0], ["c", 1], ["d", 1]], 99, [("ab", 0), ("cd", 1)]),
        ([["x" * 50, 0], ["yes", 1]], 23, [("x" * 8 + GAP + "x" * 8, 0), ("yes", 1)]),
        (
            [["q", 0], ["a", 1]] * 9,
            99,
            [("q", 0), ("a", 1)] * 2 + [(GAP, 0)] + [("q", 0), ("a", 1)] * 2,
        ),
        ([], 10, []),
    ],
)
def test_long_samples_lose_their_middles(tokens: Any, most: int, expected: Any) -> None:
    assert fit(tokens, most) == expected


def test_numbers_in_words() -> None:
    assert count(1260) == "1,260" and count(1, "row") == "1 row" and count(0, "row") == "0 rows"
    assert share(1, 3) == "33.3%" and share(1, 4) == "25%" and share(1, 10**6) == "<0.1%"
    assert share(99_999, 100_000) == "99.9%" and share(5, 5) == "100%" and share(0, 0) == "0%"
    assert (
        binary_size(17) == "17 B"
        and binary_size(1950) == "1.9 KiB"
        and binary_size(5 * 10**9) == "4.7 GiB"
    )
    assert binary_size(11.4 * 2**30) == "11.4 GiB" and binary_size(451 * 2**20) == "451 MiB"
    times = (1.42, 19, 59.7, 125, 720, 4200, 7200)
    shown = ["1.4 s", "19 s", "1 min", "2 min 5 s", "12 min", "1 h 10 min", "2 h"]
    assert [duration(seconds) for seconds in times] == shown
    assert visible("a\n\x00é\ud800\u2066") == "a\\n\\x00é\\ud800\\u2066"
    assert visible("a\n\tb", lines=True) == "a\n\tb"
