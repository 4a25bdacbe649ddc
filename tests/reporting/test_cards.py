"""MODEL_CARD.md and DATA_CARD.md: what the hub reads of them, and that what they say works."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from huggingface_hub import DatasetCard, ModelCard
from markdown_it import MarkdownIt

from phi3scaffold.models.licences import LLAMA_32, UNKNOWN
from phi3scaffold.project.formatting import visible
from phi3scaffold.project.layout import MODEL_CARD
from phi3scaffold.project.settings import DEMONSTRATION
from phi3scaffold.reporting import data_card, model_card
from phi3scaffold.reporting.run_record import RunRecord
from tests.reporting.conftest import unknown_baseline, with_free_answers, with_labels
from tests.reporting.test_page import ODD
from tests.support.html import NASTY
from tests.support.planted import EMAIL, KEY


def written(made: RunRecord, tmp_path: Path) -> ModelCard:
    model_card.write(made, tmp_path / MODEL_CARD)
    return ModelCard.load(tmp_path / MODEL_CARD)


def shown(text: str) -> tuple[set[str], str]:
    """(elements, text) of a card as the hub shows it: HTML inside Markdown is taken as such."""
    tags: set[str] = set()
    texts: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.add(tag)

        def handle_data(self, data: str) -> None:
            texts.append(data)

    Reader().feed(MarkdownIt("commonmark", {"html": True}).enable("table").render(text))
    return tags, "".join(texts)


def test_the_hub_reads_what_was_measured(tiny_project: Path) -> None:
    gen = tiny_project / "gen-model"
    found = ModelCard.load(gen / "report" / MODEL_CARD)
    onnx = json.loads((gen / "evaluation" / "metrics.json").read_text())["forms"]["onnx"]
    assert found.data.eval_results is not None
    results = {one.metric_type: one.metric_value for one in found.data.eval_results}
    assert results == {
        "accuracy": onnx["accuracy"],
        "f1": onnx["macro_f1"],
        "perplexity": onnx["perplexity"],
    }
    assert {one.dataset_split for one in found.data.eval_results} == {"held_out"}
    assert found.data.license == "mit" and found.data.pipeline_tag == "text-generation"
    assert {"lora", "int4", "onnx", "phi3", "demonstration"} <= set(found.data.tags or [])
    tags, text = shown(found.text)
    assert {"h1", "h2", "table", "pre"} <= tags
    assert DEMONSTRATION[1:] in text and "Released" in text
    for form in ("base", "adapter", "merged", "onnx"):
        assert form in text
    manifest = json.loads((gen / "onnx" / "manifest.json").read_text())
    for name in ("stage:merge",):
        assert manifest["inputs"][name] in text  # what merge made
    assert str(tiny_project.parent) not in found.content


def test_what_is_known_of_the_base_is_in_the_metadata(made: RunRecord, tmp_path: Path) -> None:
    of_the_hub = dataclasses.replace(
        made, hub_id="microsoft/Phi-3-mini-4k-instruct", commit="0" * 40, sources=("me/rows",)
    )
    found = written(of_the_hub, tmp_path)
    assert found.data.base_model == "microsoft/Phi-3-mini-4k-instruct"
    assert found.data.datasets == ["me/rows"] and "0" * 40 in found.text
    unknown = written(dataclasses.replace(made, licence=UNKNOWN, hub_id=None), tmp_path)
    assert unknown.data.license is None and unknown.data.base_model is None
    assert unknown.data.language is None


def test_a_licence_that_asks_for_a_notice_has_it_in_the_card(
    made: RunRecord, tmp_path: Path
) -> None:
    found = written(dataclasses.replace(made, licence=LLAMA_32, family="llama"), tmp_path)
    assert found.data.license == "llama3.2" and "Built with Llama" in found.text
    assert "llama" in (found.data.tags or []) and "phi3" not in (found.data.tags or [])
    assert "Built with" not in written(made, tmp_path).text


@pytest.mark.parametrize("name", ODD)
def test_odd_runs_have_a_card(name: str, made: RunRecord, tmp_path: Path) -> None:
    found = written(ODD[name][0](made), tmp_path)
    assert not shown(found.text)[0] & {"script", "img", "style"}


def test_free_answers(made: RunRecord, tmp_path: Path) -> None:
    found = written(with_free_answers(made, "qa"), tmp_path)
    results = {one.metric_type: one.metric_value for one in found.data.eval_results or []}
    assert results["rouge"] == 0.7 and results["exact_match"] == 0.25 and results["chrf"] == 0.6
    assert "0.4 (-1.2 to 2.1)" in found.text
    assert "ROUGE-L" in found.text and "labels" not in found.text


def test_a_failed_gate_is_said(made: RunRecord, tmp_path: Path) -> None:
    lost = next(check for check in made.release.checks if check.key == "accuracy_lost")
    vars(lost).update(verdict="failed", value=0.12)
    release = dataclasses.replace(made.release, released=False)
    found = written(dataclasses.replace(made, release=release), tmp_path)
    assert "**Not released**: The gate failed, at the onnx form" in found.text
    unknown_baseline(made)
    found = written(dataclasses.replace(made, release=release), tmp_path)
    assert (
        "**Not released**" in found.text
        and "**Note**: over_tfidf -2.0 points" in found.text.replace("\\_", "_")
    )


def test_labels_with_commas_are_told_apart(made: RunRecord, tmp_path: Path) -> None:
    found = written(with_labels(made, ["yes, really", "no"]), tmp_path)
    assert "one of these labels: “yes, really”, “no”." in found.text


def test_no_text_becomes_more_than_text(made: RunRecord, tmp_path: Path) -> None:
    nasty = "[x](javascript:y) ![](z) | **b** `c` # " + NASTY + "\n---\nlicense: gpl\n"
    of_all = dataclasses.replace(
        with_labels(made, [nasty, "joy"]), name=nasty, model=nasty, sources=(nasty,)
    )
    before = shown(written(made, tmp_path).text)[0]
    found = written(of_all, tmp_path)
    tags, text = shown(found.text)
    assert tags <= before
    assert found.data.license == "mit"
    assert visible(NASTY)[:40] in text


def test_the_commands_work(tiny_project: Path) -> None:
    """Each line of the card's shell, but pip's, as it stands there."""
    text = (tiny_project / "gen-model" / "report" / MODEL_CARD).read_text(encoding="utf-8")
    lines = "".join(re.findall(r"```sh\n(.*?)```", text, re.S)).splitlines()
    assert len(lines) == 4
    for line in lines:
        program, *words = shlex.split(line)
        if program == "pip":
            assert (tiny_project / words[-1]).is_file()
            continue
        run = ["-m", "phi3scaffold"] if program == "phi3scaffold" else []
        done = subprocess.run(
            [sys.executable, *run, *words], cwd=tiny_project, capture_output=True, text=True
        )
        assert done.returncode == 0 and done.stdout.strip(), (line, done.stderr)


def test_the_data_card_has_counts_and_no_rows(planted: tuple[Path, str]) -> None:
    folder = planted[0] / "gen-model" / "data"
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    found = DatasetCard.load(folder / "DATA_CARD.md")
    assert found.data.task_categories == ["text-classification"]
    assert found.data.size_categories == ["n<1K"]
    text = shown(found.text)[1]
    for kind, private in report["private"].items():
        assert re.search(rf"{re.escape(kind)}\s+{private['rows']}", text), kind
    for reason, rows in report["dropped"].items():
        assert f"{reason}: {rows} row" in text
    assert EMAIL not in found.content and KEY not in found.content
    spoken = [shown_["text"] for shown_ in report["conflicts"]["examples"]]
    spoken += [said for one in report["near_duplicates"]["examples"] for said in one["texts"]]
    assert spoken and not [said for said in spoken if said in found.content]


def test_a_file_that_is_divided_is_for_both_sides(
    planted: tuple[Path, str], tmp_path: Path
) -> None:
    path = planted[0] / "gen-model" / "data" / "report.json"
    report = json.loads(path.read_text(encoding="utf-8"))
    for split, told in (
        ("held_out", "The held-out rows are files of their own"),
        ("train", "A seed chose the held-out rows among the training rows"),
    ):
        report["files"] = [
            {"name": "a.jsonl", "split": "train", "rows": 8, "bytes": 80},
            {"name": "b.jsonl", "split": split, "rows": 4, "bytes": 40},
        ]
        data_card.write(report, tmp_path / "DATA_CARD.md")
        text = (tmp_path / "DATA_CARD.md").read_text(encoding="utf-8")
        assert told in text
        sides = re.findall(r"\| [ab].jsonl \| ([^|]+) \|", text)
        own = split == "held_out"
        assert sides == (["training", "held-out"] if own else ["training and held-out"] * 2)


def test_the_model_card_says_what_decided_the_split_and_what_is_better(
    made: RunRecord, tmp_path: Path
) -> None:
    files = written(made, tmp_path).text
    assert "42 for the training; the held-out rows are files of their own" in files
    unknown_baseline(made)
    text = written(dataclasses.replace(made, split_seed=7), tmp_path).text
    assert "7 for which rows are held out" in text
    assert "**Note**: over_tfidf -2.0 points" in text.replace("\\_", "_")


def test_a_data_card_of_any_report(planted: tuple[Path, str], tmp_path: Path) -> None:
    path = planted[0] / "gen-model" / "data" / "report.json"
    report = json.loads(path.read_text(encoding="utf-8"))
    report |= {"labels": None, "private": {}, "dropped": {}, "task": "chat", "columns": [NASTY]}
    report["rows"]["train"] = 20_000_000
    data_card.write(report, tmp_path / "DATA_CARD.md")
    found = DatasetCard.load(tmp_path / "DATA_CARD.md")
    assert found.data.size_categories == ["n>10M"]
    tags, text = shown(found.text)
    assert not tags & {"script", "img", "style"} and visible(NASTY)[:40] in text
    assert "No row was dropped." in text and "were found by pattern" in text
