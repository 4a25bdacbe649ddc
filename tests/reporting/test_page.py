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

from phi3scaffold.evaluation.evaluated_rows import EvaluatedRow
from phi3scaffold.project.formatting import perplexity, visible
from phi3scaffold.project.layout import MODEL_CARD
from phi3scaffold.project.settings import DEMONSTRATION
from phi3scaffold.reporting import model_card, report_page, row_comparison
from phi3scaffold.reporting.figures import curves, matrix, scores
from phi3scaffold.reporting.run_record import RowPrompt, RunRecord
from tests.reporting.conftest import Change, unknown_baseline, with_free_answers, with_labels
from tests.support.html import NASTY, Page

RIGHT_TO_LEFT = "שמחה גדולה"


def written(made: RunRecord, tmp_path: Path) -> Page:
    report_page.write(made, tmp_path / "index.html")
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
    for name, form in metrics["forms"].items():
        quality, likeness, neutral, cost, *sure = cells(found, name)
        alike = ["", "", ""]
        if name != "adapter":
            alike = [f"{form[key]:.1%}" for key in ("same_answer", "agreement")]
            p = form["mcnemar_p"]
            alike.append("<0.001" if p < 0.001 else f"{p:.3f}")
        assert likeness == [name, perplexity(form["perplexity"]), *alike]
        assert quality[1] == f"{form['accuracy']:.1%}" and quality[4] == f"{form['macro_f1']:.3f}"
        its = form.get("calibration")
        scores = [["Brier", its["brier"]], ["log loss", its["log_loss"]]] if its else []
        assert [row[1:3] for row in sure] == [[n, f"{one['value']:.3f}"] for n, one in scores]
        assert neutral == [name, f"{form['neutral_loss']:.3f}"]
        assert cost[1] == f"{form['tokens_per_second']:.0f}"
    shipped = metrics["forms"]["onnx"]
    drawn = found.text("svg")
    for line in shipped["confusion"]:
        assert all(str(number) in drawn for number in line if number)
    release = json.loads((gen / "release" / "release.json").read_text())
    assert [row[0].split()[1] for row in cells(found, "passed")] == [
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
        "from phi3scaffold.project.settings import load_project\n"
        "from phi3scaffold.stages.graph import STAGES\n"
        "from phi3scaffold.pipeline.stage import Context\n"
        f"project = load_project(Path({str(tiny_project)!r}))\n"
        f"out = Path({str(tmp_path)!r})\n"
        "reads = STAGES['report'].reads_from(project, STAGES)\n"
        "STAGES['report'].run(Context(project, out, out, out, out, print, reads))\n"
        "print(time.process_time(), 'torch' in sys.modules, 'transformers' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, *heavy = done.stdout.split()
    assert heavy == ["False", "False"]
    assert float(seconds) < 3.5  # 1.3 s on a quiet machine
    before = (tiny_project / "gen-model" / "report" / "index.html").read_text(encoding="utf-8")
    assert (tmp_path / "index.html").read_text(encoding="utf-8") == before


def test_the_rows_where_forms_disagree_stand_side_by_side(made: RunRecord, tmp_path: Path) -> None:
    found = written(with_labels(made, ["yes", "no"]), tmp_path)
    assert "differ in 2 rows of 4." in found.text("p")
    shown = found.text("li")
    assert "expectedyesadapter, merged: correctyesonnx: wrongno" in shown
    assert "What is it?\nNumber 2." in found.text("p")
    assert cells(found, "no")[0] == ["no", "yes", "1"]


def test_a_failed_gate_stands_at_the_top(made: RunRecord, tmp_path: Path) -> None:
    checks = made.release.checks
    lost = next(check for check in checks if check.key == "accuracy_lost")
    vars(lost).update(verdict="failed", value=0.12, interval=[0.08, 0.16])
    release = dataclasses.replace(made.release, released=False)
    found = written(dataclasses.replace(made, release=release), tmp_path)
    told = found.text("header")
    assert "Not released" in told and "accuracy_lost 12.0 points (at most 2.0 points" in told
    assert "95 % interval 8.0 to 16.0 points" in told
    assert "What to try:" in told and "✓" not in told
    assert lost.key in cells(found, "failed")[0][0]


def test_a_secret_among_the_settings_is_not_passed_on(made: RunRecord, tmp_path: Path) -> None:
    """By what it is called, or by what it looks like."""
    key = "hf_" + "abcdefgh" * 4 + "ab"
    given = {"hub_token": "short", "run_name": f"mine {key}", "load_kwargs": {"token": key}}
    made.config.passes["finetune"] |= given
    report_page.write(made, tmp_path / "index.html")
    model_card.write(made, tmp_path / MODEL_CARD)
    for name in ("index.html", MODEL_CARD):
        text = (tmp_path / name).read_text(encoding="utf-8").replace("\\_", "_")
        assert key not in text and not [name for name in given if name in text]
        assert "finetune.learning_rate" in text


def test_what_cannot_be_told_is_not_released(made: RunRecord, tmp_path: Path) -> None:
    first = made.release.checks[0]
    vars(first).update(verdict="unknown", value=None, why="too few rows", holds_back=True)
    release = dataclasses.replace(made.release, released=False)
    found = written(dataclasses.replace(made, release=release), tmp_path)
    assert "Not released" in found.text("header") and first.key in found.text("header")
    assert "too few rows" in " ".join(cells(found, "unknown")[0])


def no_history(made: RunRecord) -> RunRecord:
    return dataclasses.replace(made, history=[])


def one_step(made: RunRecord) -> RunRecord:
    return dataclasses.replace(made, history=[{"step": 1, "loss": 2.0}])


def broken_losses(made: RunRecord) -> RunRecord:
    odd: list[dict[str, Any]] = [{"step": 1, "loss": float("nan")}, {"step": 2, "loss": None}]
    return dataclasses.replace(made, history=[*odd, {"loss": 1.0}, {"step": 4, "eval_loss": 0.0}])


def many_steps(made: RunRecord) -> RunRecord:
    history: list[dict[str, Any]] = [{"step": n, "loss": 9 / n} for n in range(1, 20_000)]
    validation = [{"step": n, "eval_loss": 0.5} for n in range(5000, 20_000, 5000)]
    return dataclasses.replace(made, history=history + validation)


def only_the_adapter(made: RunRecord) -> RunRecord:
    metrics = dataclasses.replace(
        made.metrics,
        not_measured={"onnx": "built for DirectML, which is not here"},
        forms={"adapter": made.metrics.forms["adapter"]},
    )
    answers = [
        dataclasses.replace(row, answers={"adapter": row.answers["adapter"]})
        for row in made.answers
    ]
    return dataclasses.replace(made, metrics=metrics, answers=answers)


def swapped(made: RunRecord) -> RunRecord:
    forms = {**made.metrics.forms, "onnx-adapter": made.metrics.forms["onnx"]}
    metrics = dataclasses.replace(made.metrics, forms=forms)
    answers = [
        dataclasses.replace(row, answers={**row.answers, "onnx-adapter": ""})
        for row in made.answers
    ]
    return dataclasses.replace(made, metrics=metrics, answers=answers)


def few_rows(made: RunRecord) -> RunRecord:
    return dataclasses.replace(made, metrics=dataclasses.replace(made.metrics, rows=8))


def long_answers(made: RunRecord) -> RunRecord:
    """Ten thousand rows of chat: answers of 5,000 letters that differ in one word in the middle."""
    rows, prompts = [], {}
    for number in range(10_000):
        words = [f"w{number}-{place}" for place in range(500)]
        other = [*words[:250], "ELSE", *words[251:]]
        said = {"base": "", "adapter": " ".join(words), "merged": " ".join(words)}
        place = f"rows.jsonl:{number}"
        rows.append(EvaluatedRow(place, "So.", {**said, "onnx": " ".join(other)}))
        prompts[place] = RowPrompt("unbroken" * 1000, earlier=3)
    free = with_free_answers(made, "chat")
    metrics = dataclasses.replace(free.metrics, rows=10_000, held_out=20_000)
    return dataclasses.replace(free, answers=rows, prompts=prompts, metrics=metrics)


def under_the_baseline(made: RunRecord) -> RunRecord:
    unknown_baseline(made)
    return made


def broken_form(made: RunRecord) -> RunRecord:
    """Its first rows showed that it is broken; it did not answer the others."""
    vars(made.metrics.forms["onnx"]).update(broken=True, rows=16)
    answers = [
        dataclasses.replace(row, answers={k: v for k, v in row.answers.items() if k != "onnx"})
        for row in made.answers
    ]
    return dataclasses.replace(made, answers=answers)


def other_adapters(made: RunRecord) -> RunRecord:
    return dataclasses.replace(swapped(made), unmeasured=("<b>theirs",))


def no_prompts(made: RunRecord) -> RunRecord:
    return dataclasses.replace(made, prompts={}, stages={})


ODD: dict[str, tuple[Change, str]] = {
    "no history": (no_history, "The training recorded no losses."),
    "one step": (one_step, "No validation loss was measured during training"),
    "broken losses": (broken_losses, "validation: 0 at step 4"),
    "many steps": (many_steps, "validation: 0.5 at step 5000"),
    "two labels": (lambda made: with_labels(made, ["0", "1"]), "one of 2 labels"),
    "forty labels": (
        lambda made: with_labels(made, [f"l{n}" for n in range(40)]),
        "10 more are counted as “other”",
    ),
    "long answers": (long_answers, "in 10,000 rows of 10,000; 12 are shown"),
    "broken form": (broken_form, "onnx broken, as 16 rows show"),
    "under the baseline": (under_the_baseline, "over_tfidf -2.0 points (at least 0.0 points"),
    "other adapters": (other_adapters, "the same ONNX base: the adapter <b>theirs"),
    "long labels": (
        lambda made: with_labels(made, ["a" * 300, "b " * 150]),
        "aaaaaaaaaaaaaaaaaaa…",
    ),
    "right to left": (lambda made: with_labels(made, [RIGHT_TO_LEFT, "joy"]), RIGHT_TO_LEFT),
    "html": (lambda made: with_labels(made, [NASTY, "$x$ & <b>"]), visible(NASTY)),
    "only the adapter": (only_the_adapter, "onnx was not measured: built for DirectML"),
    "adapters swapped": (swapped, "onnx-adapter"),
    "few rows": (few_rows, "forms can hardly be told apart"),
    "nothing known": (no_prompts, "held-out.jsonl:"),
}


@pytest.fixture(scope="module")
def tags(tiny_project: Path) -> set[str]:
    """The elements of the run's own page."""
    text = (tiny_project / "gen-model" / "report" / "index.html").read_text(encoding="utf-8")
    return {tag for tag, _ in Page(text).tags} | {"mark"}  # of free answers


@pytest.mark.parametrize("name", ODD)
def test_odd_runs_have_a_page(name: str, made: RunRecord, tags: set[str], tmp_path: Path) -> None:
    change, told = ODD[name]
    found = written(change(made), tmp_path)
    assert told in found.text("html")
    assert {tag for tag, _ in found.tags} <= tags
    raw = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "<script" not in raw and "\x1b" not in raw and "\u202e" not in raw


def test_no_text_becomes_html(made: RunRecord, tags: set[str], tmp_path: Path) -> None:
    """Every text that a user, a row or a model can decide."""
    answers = {name: f"{NASTY} {name}" for name in made.answers[0].answers}
    row = EvaluatedRow(f"{NASTY} place", f"{NASTY} expected", answers)
    nasty = dataclasses.replace(
        with_labels(made, [NASTY, "joy"]),
        name=NASTY,
        model=NASTY,
        commit=NASTY,
        answers=[row],
        prompts={row.place: RowPrompt(NASTY, 2)},
    )
    nasty.config.passes["finetune"][NASTY] = NASTY
    nasty.release.checks[0].why = NASTY
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


def test_a_page_of_many_rows_is_written_at_once(made: RunRecord, tmp_path: Path) -> None:
    """And what differs in the middle of a long answer is on it, marked."""
    many = long_answers(made)
    begun = time.process_time()
    found = written(many, tmp_path)
    assert time.process_time() - begun < 4
    assert (tmp_path / "index.html").stat().st_size < 200_000
    assert found.text("mark").count("ELSE") == 12
    assert "rows.jsonl:0, after 3 earlier turns" in found.text("p")


def test_answers_are_marked_where_they_differ(made: RunRecord, tmp_path: Path) -> None:
    said = {"base": "", "adapter": "It is by the river.", "merged": "It is by the river."}
    rows = [
        EvaluatedRow("a", "It is gone.", {**said, "onnx": "It was by the river."}),
        EvaluatedRow("b", "It is by the sea.", {**said, "onnx": said["adapter"]}),
        EvaluatedRow("c", "今日は雨", {**dict.fromkeys(said, "今日は雨"), "onnx": "今日は雪"}),
    ]  # fmt: skip
    found = written(dataclasses.replace(with_free_answers(made, "qa"), answers=rows), tmp_path)
    marked = [text for path, text in found.texts if path.endswith("mark")]
    assert marked == ["is", "was", "雨", "雪", "sea", "river"]


def test_the_command_says_how_many_processes_trained(made: RunRecord) -> None:
    assert made.command == "phi3scaffold run"
    trained = made.stages["finetune"]
    two = dataclasses.replace(trained, facts={**trained.facts, "processes": 2})
    stages = {**made.stages, "finetune": two}
    there = dataclasses.replace(made, local=True, stages=stages)
    assert there.command == "phi3scaffold run --local --nproc 2"
    job = dataclasses.replace(made, in_cloud=True, stages=stages)
    assert job.command == "phi3scaffold run"


def test_it_says_where_training_stopped_and_what_was_kept(made: RunRecord, tmp_path: Path) -> None:
    trained = made.stages["finetune"]
    told = {"steps": 90, "planned_steps": 174, "best_step": 75, "validation_loss": 0.25}
    stopped = dataclasses.replace(
        trained, facts={**trained.facts, **told, "early_stopping_off": "it is null"}
    )
    history = [{"step": 75, "loss": 0.5, "eval_loss": 0.25}, {"step": 90, "eval_loss": 0.75}]
    record = dataclasses.replace(made, stages={**made.stages, "finetune": stopped}, history=history)
    found = written(record, tmp_path)
    assert "stopped at step 90 of 174, best at 75" in found.text("dd")
    assert "of step 75, the lowest validation loss: 0.250" in found.text("dd")
    assert "off: it is null" in found.text("dd")
    assert "best at 75" in found.text("svg")


def test_files_from_elsewhere_are_named_by_what_they_are(made: RunRecord) -> None:
    inputs = {f"/home/me/{one}/adapter.safetensors": one for one in ("a", "b")}
    adapters = dataclasses.replace(made.stages["export"], stage="adapters", inputs=inputs)
    there = dataclasses.replace(made, stages={**made.stages, "adapters": adapters})
    found = dict(report_page.hashes(there))
    assert found["adapter 2 from elsewhere: adapter.safetensors"] == "b"
    assert "base model: config.json" in found and not [name for name in found if "/home" in name]


def test_more_labels_than_can_be_drawn() -> None:
    """The most mixed up ones stay; what was answered with one that does not is not lost."""
    many = 100
    table = [[0] * many for _ in range(many)]
    for number in range(many):
        table[number][number] = 5
    table[70][3], table[70][99] = 2, 1
    names = [f"l{number}" for number in range(many)]
    shown, rows, columns = row_comparison.fewer(table, names, names)
    assert len(rows) == row_comparison.MOST_LABELS and columns == [*rows, "other"]
    assert {"l70", "l3", "l99"} <= set(rows)
    line = dict(zip(columns, shown[rows.index("l70")], strict=True))
    assert (line["l70"], line["l3"], line["l99"], line["other"]) == (5, 2, 1, 0)
    table[0] = [1] * many
    shown, rows, columns = row_comparison.fewer(table, names, names)
    assert shown[rows.index("l0")][-1] == many - len(rows)
