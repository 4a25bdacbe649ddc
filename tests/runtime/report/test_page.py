"""index.html: what it shows of a run, and that nothing of a user's becomes more than text."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from phi3scaffold.project import DEMONSTRATION
from phi3scaffold.runtime.page.figures import curves, matrix, scores
from phi3scaffold.runtime.page.text import visible
from phi3scaffold.runtime.report import page
from phi3scaffold.runtime.report.made import Made
from tests.runtime.report.conftest import Change, with_free_answers, with_labels
from tests.support.html import NASTY, Page

RIGHT_TO_LEFT = "שמחה גדולה"


def written(made: Made, tmp_path: Path) -> Page:
    page.write(made, tmp_path / "index.html")
    return Page((tmp_path / "index.html").read_text(encoding="utf-8"))


def cells(found: Page, first: str) -> list[list[str]]:
    """The rows of the tables whose first cell begins with the word `first`."""
    return [row for row in found.rows if row[0].split()[:1] == [first]]


def test_it_shows_what_was_measured(tiny_project: Path) -> None:
    """The page that the run itself wrote, against the files it was written from."""
    gen = tiny_project / "gen-model"
    text = (gen / "report" / "index.html").read_text(encoding="utf-8")
    found = Page(text)
    metrics = json.loads((gen / "evaluation" / "metrics.json").read_text())
    for name, rung in metrics["forms"].items():
        quality, cost = cells(found, name)
        assert quality[1] == f"{rung['accuracy']:.1%}" and quality[4] == f"{rung['macro_f1']:.3f}"
        assert cost[1] == f"{rung['tokens_per_second']:.0f}"
    shipped = metrics["forms"]["onnx"]
    drawn = found.text("svg")
    for line in shipped["confusion"]:
        assert all(str(number) in drawn for number in line if number)
    release = json.loads((gen / "release" / "release.json").read_text())
    assert [row[0].split()[1] for row in cells(found, "kept")] == [
        c["key"] for c in release["checks"]
    ]
    assert "✓ Released" in found.text("article")
    assert DEMONSTRATION[1:] in found.text("header")
    for stage in ("data", "finetune", "export"):
        folder = {"data": "data", "finetune": "adapter", "export": "onnx"}[stage]
        made = json.loads((gen / folder / "manifest.json").read_text())
        assert all(sha in text for name, sha in made["inputs"].items() if "/" in name[1:]), stage
        assert all(version in text for version in made["versions"].values() if version)
    assert "phi3scaffold run" in found.text("pre")


def test_it_is_one_file_that_needs_nothing(tiny_project: Path) -> None:
    text = (tiny_project / "gen-model" / "report" / "index.html").read_text(encoding="utf-8")
    found = Page(text)
    assert {tag for tag, _ in found.tags} & {"script", "link", "img", "iframe", "object"} == set()
    given = {name for _, attributes in found.tags for name in attributes}
    assert not given & {"src", "href", "xlink:href"}
    assert "url(" not in text and "@import" not in text and "default-src 'none'" in text
    tags = [tag for tag, _ in found.tags]
    assert tags.count("h1") == tags.count("main") == 1
    assert tags.count("svg") == tags.count("desc") >= 4
    assert all(a.get("scope") in ("row", "col") for tag, a in found.tags if tag == "th")
    assert str(tiny_project) not in text and str(Path.home()) not in text


def test_it_is_quick_and_imports_no_torch(tiny_project: Path, tmp_path: Path) -> None:
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from phi3scaffold.project import load_project\n"
        "from phi3scaffold.runtime.graph import STAGES\n"
        "from phi3scaffold.runtime.pipeline.stage import Context\n"
        f"project = load_project(Path({str(tiny_project)!r}))\n"
        f"out = Path({str(tmp_path)!r})\n"
        "STAGES['report'].run(Context(project, out, out, print))\n"
        "print(time.process_time(), 'torch' in sys.modules, 'transformers' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, *heavy = done.stdout.split()
    assert heavy == ["False", "False"]
    assert float(seconds) < 3.5  # 1.3 s on a quiet machine
    before = (tiny_project / "gen-model" / "report" / "index.html").read_text(encoding="utf-8")
    assert (tmp_path / "index.html").read_text(encoding="utf-8") == before


def test_the_rows_where_forms_disagree_stand_side_by_side(made: Made, tmp_path: Path) -> None:
    found = written(with_labels(made, ["yes", "no"]), tmp_path)
    assert "do not all say the same in 2 rows of 4:" in found.text("p")
    shown = found.text("li")
    assert "expectedyesadapter, merged: as expectedyesonnx: differsno" in shown
    assert "What is it?\nNumber 2." in found.text("p")
    assert cells(found, "no")[0] == ["no", "yes", "1"]


def test_a_broken_gate_stands_at_the_top(made: Made, tmp_path: Path) -> None:
    checks = made.release["checks"]
    checks[3] |= {"verdict": "broken", "value": 0.12}
    release = {**made.release, "released": False}
    found = written(dataclasses.replace(made, release=release), tmp_path)
    told = found.text("header")
    assert "Not released" in told and "accuracy_lost 12.0 points (at most 2.0 points)" in told
    assert "What to try:" in told and "✓" not in told
    assert checks[3]["key"] in cells(found, "broken")[0][0]


def test_what_cannot_be_told_is_not_released(made: Made, tmp_path: Path) -> None:
    made.release["checks"][0] |= {"verdict": "unknown", "value": None, "why": "too few rows"}
    found = written(
        dataclasses.replace(made, release={**made.release, "released": False}), tmp_path
    )
    assert "Not released" in found.text("header") and "over_base" in found.text("header")
    assert "too few rows" in " ".join(cells(found, "unknown")[0])


@pytest.mark.parametrize("task", ["qa", "chat"])
def test_free_answers_have_rouge_and_no_labels(task: str, made: Made, tmp_path: Path) -> None:
    found = written(with_free_answers(made, task), tmp_path)
    text = found.text("body")
    assert "ROUGE-L" in text and "70.0%" in text and "exact" in text
    assert "Which label" not in text and "macro F1" not in text
    assert "Where all of them are right" in text


def no_history(made: Made) -> Made:
    return dataclasses.replace(made, history=[])


def one_step(made: Made) -> Made:
    return dataclasses.replace(made, history=[{"step": 1, "loss": 2.0}])


def broken_losses(made: Made) -> Made:
    odd: list[dict[str, Any]] = [{"step": 1, "loss": float("nan")}, {"step": 2, "loss": None}]
    return dataclasses.replace(made, history=[*odd, {"loss": 1.0}, {"step": 4, "eval_loss": 0.0}])


def many_steps(made: Made) -> Made:
    history: list[dict[str, Any]] = [{"step": n, "loss": 9 / n} for n in range(1, 20_000)]
    held_out = [{"step": n, "eval_loss": 0.5} for n in range(5000, 20_000, 5000)]
    return dataclasses.replace(made, history=history + held_out)


def only_the_adapter(made: Made) -> Made:
    metrics = {**made.metrics, "not_measured": {"onnx": "built for DirectML, which is not here"}}
    metrics["forms"] = {"adapter": metrics["forms"]["adapter"]}
    answers = [{k: row[k] for k in ("place", "expected", "adapter")} for row in made.answers]
    return dataclasses.replace(made, metrics=metrics, answers=answers)


def swapped(made: Made) -> Made:
    forms = {**made.metrics["forms"], "onnx-adapter": made.metrics["forms"]["onnx"]}
    answers = [{**row, "onnx-adapter": ""} for row in made.answers]
    return dataclasses.replace(made, metrics={**made.metrics, "forms": forms}, answers=answers)


def few_rows(made: Made) -> Made:
    return dataclasses.replace(made, metrics={**made.metrics, "rows": 8})


def no_prompts(made: Made) -> Made:
    return dataclasses.replace(made, prompts={}, stages={})


ODD: dict[str, tuple[Change, str]] = {
    "no history": (no_history, "The training wrote no losses."),
    "one step": (one_step, "It was not measured on held-out rows"),
    "broken losses": (broken_losses, "held out: 0 at step 4"),
    "many steps": (many_steps, "held out: 0.5 at step 5000"),
    "two labels": (lambda made: with_labels(made, ["0", "1"]), "one of 2 labels"),
    "forty labels": (lambda made: with_labels(made, [f"l{n}" for n in range(40)]), "30 more pairs"),
    "long labels": (
        lambda made: with_labels(made, ["a" * 300, "b " * 150]),
        "aaaaaaaaaaaaaaaaaaa…",
    ),
    "right to left": (lambda made: with_labels(made, [RIGHT_TO_LEFT, "joy"]), RIGHT_TO_LEFT),
    "html": (lambda made: with_labels(made, [NASTY, "$x$ & <b>"]), visible(NASTY)),
    "only the adapter": (only_the_adapter, "onnx was not measured: built for DirectML"),
    "adapters swapped": (swapped, "onnx-adapter"),
    "few rows": (few_rows, "too few to tell forms apart"),
    "nothing known": (no_prompts, "held-out.jsonl:"),
}


@pytest.fixture(scope="module")
def tags(tiny_project: Path) -> set[str]:
    """The elements of the run's own page."""
    text = (tiny_project / "gen-model" / "report" / "index.html").read_text(encoding="utf-8")
    return {tag for tag, _ in Page(text).tags}


@pytest.mark.parametrize("name", ODD)
def test_odd_runs_have_a_page(name: str, made: Made, tags: set[str], tmp_path: Path) -> None:
    change, told = ODD[name]
    found = written(change(made), tmp_path)
    assert told in found.text("html")
    assert {tag for tag, _ in found.tags} <= tags
    raw = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "<script" not in raw and "\x1b" not in raw and "\u202e" not in raw


def test_no_text_becomes_html(made: Made, tags: set[str], tmp_path: Path) -> None:
    """Every text that a user, a row or a model can decide."""
    row = {name: f"{NASTY} {name}" for name in made.answers[0]}
    nasty = dataclasses.replace(
        with_labels(made, [NASTY, "joy"]),
        name=NASTY,
        model=NASTY,
        commit=NASTY,
        answers=[row],
        prompts={row["place"]: NASTY},
    )
    nasty.config.passes["finetune"][NASTY] = NASTY
    nasty.release["checks"][0]["why"] = NASTY
    found = written(nasty, tmp_path)
    assert {tag for tag, _ in found.tags} <= tags
    assert found.text("html").count(visible(NASTY)) >= 12
    raw = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "\x1b" not in raw and "\u202e" not in raw and "<script" not in raw


def test_pictures_are_whole_whatever_is_drawn() -> None:
    names = ["$a_b$", "喜び", "<b>&", "a label with a name that does not end"]
    forty = [f"label {n}" for n in range(40)]
    for drawn in (
        curves({"train": [(1, 1.0)]}, "step", "T < U", "& D"),
        curves({"train": [], "held out": [(1, 0.0), (2, 1e9)]}, "step", "T", "D"),
        scores([("a", 0.0, 0.0, 0.1, None), ("b", 1.0, 0.9, 1.0, 1.0)], {}, "T", "D"),
        scores([("a", 0.5, 0.0, 1.0, 0.1)], {"<always> $x$": 0.0, "b": 1.0}, "T", "D"),
        matrix([[1, 2, 3, 0]] * 4, names, names, "T", "D"),
        matrix([[0] * 41] * 40, forty, [*forty, "no label"], "T", "D"),
    ):
        root = ElementTree.fromstring(str(drawn))
        assert root[0].tag == "title" and root[1].tag == "desc"
        assert not re.search(r"#0000\d\d|DejaVu| id=|<use|url\(", drawn)


def test_a_page_of_many_rows_is_written_at_once(made: Made, tmp_path: Path) -> None:
    many = dataclasses.replace(made, answers=list(made.answers) * 50)
    begun = time.process_time()
    page.write(many, tmp_path / "index.html")
    assert time.process_time() - begun < 4
    assert (tmp_path / "index.html").stat().st_size < 300_000
