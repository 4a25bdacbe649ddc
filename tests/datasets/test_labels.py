"""One label in several spellings, and rows that have none: counted, said, and read by one table."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from phi3scaffold import generator
from phi3scaffold.datasets.conversations import Conversation, DroppedRow, conversation
from phi3scaffold.datasets.findings import findings
from phi3scaffold.datasets.labels import label_table
from phi3scaffold.datasets.reader import read_rows
from phi3scaffold.datasets.spec import DatasetSpec, load_spec
from phi3scaffold.project.errors import ScaffoldError
from tests.template.conftest import without_git

from .conftest import CLASSIFY, labelled

WIDE = "\uff4a\uff4f\uff59"  # joy, in letters of full width
# texts -> labels, variants, missing, doubtful
TABLES: dict[str, tuple[dict[str, int], list[str], dict[str, Any], dict[str, int], list[str]]] = {
    "case": ({"joy": 9, "Joy": 7, "JOY": 5, "fear": 4}, ["fear", "joy"],
        {"joy": {"Joy": 7, "JOY": 5}}, {}, []),
    "the most frequent spelling stays": ({"joy": 2, "Joy": 7, "fear": 4}, ["Joy", "fear"],
        {"Joy": {"joy": 2}}, {}, []),
    "of equals the lower case": ({"JOY": 6, "joy ": 6, "Joy": 6, "joy": 6, "a": 1}, ["a", "joy"],
        {"joy": {"JOY": 6, "Joy": 6, "joy ": 6}}, {}, []),
    "white space, and no other spelling": ({" yes": 3, "no": 3}, ["no", "yes"],
        {"yes": {" yes": 3}}, {}, []),
    "white space within": ({"card  arrival": 1, "card arrival": 9, "x": 9}, ["card arrival", "x"],
        {"card arrival": {"card  arrival": 1}}, {}, []),
    "a wide space": ({"joy\u3000": 1, "joy": 9, "x": 9}, ["joy", "x"], {"joy": {"joy\u3000": 1}},
        {}, []),
    "letters of the other width are said, not merged": ({WIDE: 3, "joy": 9, "x": 9},
        ["joy", "x", WIDE], {}, {}, []),
    "signs that NFKC would join": ({"x²": 9, "x2": 9}, ["x2", "x²"], {}, {}, []),
    "ß and ss": ({"Straße": 9, "STRASSE": 3, "Weg": 9}, ["Straße", "Weg"],
        {"Straße": {"STRASSE": 3}}, {}, []),
    "nan, at any share": ({"joy": 20, "fear": 20, "nan": 40}, ["fear", "joy"], {}, {"nan": 40}, []),
    "what people write, where it is rare": ({"joy": 60, "fear": 60, "N/A": 3, "-": 2, "?": 1},
        ["fear", "joy"], {}, {"N/A": 3, "-": 2, "?": 1}, []),
    "none as a label": ({"for": 30, "against": 30, "none": 30}, ["against", "for", "none"], {}, {},
        ["none"]),
    "None and none together are frequent": ({"a": 50, "b": 44, "None": 4, "none": 4},
        ["a", "b", "none"], {"none": {"None": 4}}, {}, ["none"]),
    "none among many small labels": ({**{f"l{n}": 5 for n in range(40)}, "none": 5},
        sorted([*(f"l{n}" for n in range(40)), "none"]), {}, {}, ["none"]),
    "none is half of a yes": ({"yes": 99, "none": 2}, ["none", "yes"], {}, {}, ["none"]),
    "empty": ({"a": 3, "b": 3, "": 2, " ": 1}, ["a", "b"], {}, {"": 3}, []),
    "a label that looks like none": ({"other": 3, "unknown": 3, "a": 9}, ["a", "other", "unknown"],
        {}, {}, []),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
def test_what_is_read_as_what(name: str) -> None:
    texts, labels, variants, missing, doubtful = TABLES[name]
    table = label_table(texts)
    assert list(table.labels) == labels
    assert {label: dict(found) for label, found in table.variants.items()} == variants
    assert (dict(table.missing), list(table.doubtful)) == (missing, doubtful)
    kept = sum(table.counts.values()) + sum(table.missing.values())
    assert kept == sum(texts.values())  # no row is lost unsaid


def test_one_text_in_two_compositions_is_one_label() -> None:
    """Macs write an accent behind its letter (NFD), others both in one character (NFC)."""
    table = label_table({"caf\u00e9": 9, "cafe\u0301": 2, "tea": 5, "\u202etea\u202c": 1})
    assert table.labels == ("caf\u00e9", "tea")
    assert table.variants["caf\u00e9"] == {"cafe\u0301": 2}
    assert table.variants["tea"] == {"\u202etea\u202c": 1}


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (("pay", "p\u0430y"), "p\u0430y has U+0430 CYRILLIC SMALL LETTER A, unlike pay"),
        (("OK", "\u039fK"), "\u039fK has U+039F GREEK CAPITAL LETTER OMICRON, unlike OK"),
        (("ab", "a\u200db"), "has U+200D ZERO WIDTH JOINER, unlike ab"),
        (("pay", "pray"), ""),
        (("\u0934\u093f", "\u0934\u0941"), ""),  # two syllables of Hindi
        (("\u0438\u0433\u0440\u0430", "\u0438\u0433\u0440\u044b"), ""),
    ],
)
def test_labels_that_look_alike_are_told(labels: tuple[str, str], said: str) -> None:
    notes = "\n".join(label_table(dict.fromkeys(labels, 20)).notes())
    assert ("look alike" in notes) is bool(said)
    assert said in notes


def test_choices() -> None:
    texts = {"joy": 9, "Joy": 2, WIDE: 3, "none": 9, "nan": 1}
    wide = label_table(texts, "width")
    assert wide.labels == ("joy", "none") and wide.variants == {"joy": {WIDE: 3, "Joy": 2}}
    apart = label_table(texts, "keep", "keep")
    assert apart.labels == ("Joy", "joy", "nan", "none", WIDE)
    assert not apart.variants and not apart.missing
    assert label_table(texts, missing="all").missing == {"none": 9, "nan": 1}
    assert f"letters: {WIDE} (3) and joy; --label-variants width" in "\n".join(
        label_table(texts).notes()
    )


SPEC = """task: classify
files: {train: [rows.csv], held_out: 0.2}
turns: [{user: "{text}"}, {assistant: "{label}"}]
"""
LABELS = 'labels: [joy, fear]\nlabel_variants: {joy: ["Joy"]}\nmissing_labels: ["nan"]\n'


def spec_of(tmp_path: Path, text: str) -> DatasetSpec:
    (tmp_path / "dataset.yaml").write_text(SPEC + text, encoding="utf-8")
    return load_spec(tmp_path / "dataset.yaml")


@pytest.mark.parametrize(
    ("text", "label"),
    [("joy", "joy"), ("Joy", "joy"), (" JOY ", "joy"), ("FEAR", "fear"), ("nan", ""), ("NaN", ""),
     ("sad", None), ("N/A", None)],
)  # fmt: skip
def test_later_rows_are_read_by_the_same_table(
    text: str, label: str | None, tmp_path: Path
) -> None:
    assert spec_of(tmp_path, LABELS).label_of(text) == label


def test_labels_that_differ_by_case_alone_stay_apart(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, 'labels: ["US", "us"]\nlabel_variants: {us: ["we"]}\n')
    assert [spec.label_of(text) for text in ("US", "us", "we", "Us")] == ["US", "us", "us", None]
    plain = spec_of(tmp_path, "labels: [joy, fear]\n")
    assert plain.label_of("Joy") is None  # nothing is merged that dataset.yaml does not say


WRONG = [
    ("label_variants: [joy]", "label_variants", "map labels to lists"),
    ("label_variants: {sad: [Sad]}", "label_variants.sad", "not one of the labels"),
    ("label_variants: {joy: Joy}", "label_variants.joy", "a list of spellings"),
    ("label_variants: {joy: [yes]}", "label_variants.joy[0]", "as True"),
    ("label_variants: {joy: [fear]}", "label_variants.joy[0]", "is a label"),
    ("label_variants: {joy: [J], fear: [J]}", "label_variants.fear[0]", "listed twice"),
    ("missing_labels: nan", "missing_labels", "a list of texts"),
    ("missing_labels: [.nan]", "missing_labels[0]", "as nan"),
    ("missing_labels: [null]", "missing_labels[0]", "as None"),
    ("missing_labels: [joy]", "missing_labels[0]", "is a label"),
]


@pytest.mark.parametrize(("text", "key", "says"), WRONG)
def test_wrong_shapes_are_refused(text: str, key: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ScaffoldError) as caught:
        spec_of(tmp_path, f"labels: [joy, fear]\n{text}\n")
    assert caught.value.where == f"{tmp_path / 'dataset.yaml'}: {key}"
    assert says in caught.value.what and caught.value.fix


def made(tmp_path: Path, texts: list[str], **answers: str) -> tuple[DatasetSpec, list[str]]:
    """The spec of a project that `new` makes of these labels, and what it said."""
    path = tmp_path / "rows.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("text", "label"))
        rows.writerows((f"A note about case {n}.", text) for n, text in enumerate(texts))
    said: list[str] = []
    with without_git():
        root = generator.new(
            tmp_path / "proj", answers, data=path, git=False, wheel=False, say=said.append
        )
    return load_spec(root / "datasets" / "dataset.yaml"), said


MESSY = ["joy", "fear"] * 20 + ["Joy"] * 7 + ["JOY"] * 5 + ["nan"] * 6 + ["N/A"] * 3 + [""] * 2


def test_new_merges_says_so_and_writes_it_down(tmp_path: Path) -> None:
    spec, said = made(tmp_path, MESSY)
    assert spec.labels == ("fear", "joy")
    assert spec.label_variants == {"joy": ("Joy", "JOY")}
    assert spec.missing_labels == ("nan", "N/A")
    assert "12 rows read as joy: Joy (7), JOY (5)" in said
    assert "11 rows left out: no label (nan 6, N/A 3, empty 2)" in said
    assert "as labels of their own: --label-variants keep, --missing-labels keep" in said
    read = [conversation(row, spec) for row in read_rows(spec.train)]
    answers = [one.answer for one in read if isinstance(one, Conversation)]
    assert (answers.count("joy"), answers.count("fear")) == (32, 20)
    dropped = [one.reason for one in read if isinstance(one, DroppedRow)]
    assert dropped == ["no label (nan)"] * 6 + ["no label (N/A)"] * 3 + ["empty answer"] * 2


def test_clean_labels_write_no_table(tmp_path: Path) -> None:
    spec, said = made(tmp_path, ["joy", "fear"] * 10)
    text = spec.path.read_text(encoding="utf-8")
    assert set(yaml.safe_load(text)) == {
        "task", "files", "turns", "system", "labels", "max_tokens", "long_rows", "seed"
    }  # fmt: skip
    assert [line for line in said if not line.startswith("training: ")] == said[:1]


def test_few_rows_of_a_label_are_said(tmp_path: Path) -> None:
    _, said = made(tmp_path, ["joy", "fear"] * 10 + ["rage"] * 2)
    assert "1 label has fewer than 10 rows: rage (2)" in said


def test_held_out_rows_are_read_by_the_same_table(tmp_path: Path) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()
    for name, labels in (("train", ["joy", "fear"] * 10), ("test", ["JOY", "fear", "nan"] * 3)):
        rows = [{"text": f"a {name} text {n}", "label": one} for n, one in enumerate(labels)]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with without_git():
        root = generator.new(tmp_path / "proj", {}, data=folder, git=False, wheel=False)
    spec = load_spec(root / "datasets" / "dataset.yaml")
    assert (spec.labels, spec.label_variants) == (("fear", "joy"), {"joy": ("JOY",)})
    assert spec.missing_labels == ("nan",)


def test_the_look_counts_them(make: Any) -> None:
    rows = labelled(60)
    texts = ["Joy"] * 7 + ["JOY"] * 5 + ["nan"] * 6 + ["N/A"] * 3 + [""]
    rows += [{"phrase": f"{text} of kind {n}", "tone": text} for n, text in enumerate(texts)]
    rows += [{"phrase": f"quite {n} another thing", "tone": "Rage"} for n in range(4)]
    yaml_text = CLASSIFY.replace("calm]", "calm, rage]") + (
        'label_variants: {joy: ["Joy", "JOY"]}\nmissing_labels: ["nan", "N/A"]\n'
    )
    made = make(rows, yaml_text)
    assert "Joy" not in made.report["labels"]["train"]
    kept = sum(sum(side.values()) for side in made.report["labels"].values())
    assert kept == made.report["rows"]["read"] - made.report["rows"]["dropped"]
    found = {one.name: one for one in findings(made.report)}
    assert found["spellings"].counts == (
        ("read as joy: Joy (7), JOY (5)", 12, ()),
        ("read as rage: Rage (4)", 4, ()),
    )
    assert found["no label"].message == "10 rows left out: no label (nan 6, N/A 3, empty 1)"
    rare = found["rare labels"]
    assert (
        rare.message == "1 label has fewer than 10 training rows: rage (4)"
    )  # alike: all on one side
    assert rare.warn and not found["no label"].warn
