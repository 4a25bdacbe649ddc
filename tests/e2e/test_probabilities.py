"""Probabilities of labels, from the evaluation to `infer`, on the trained demonstration project."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.conftest import command

FORMS = ("adapter", "merged", "onnx")


@pytest.fixture(scope="module")
def metrics(tiny_project: Path) -> dict:
    return json.loads((tiny_project / "gen-model" / "evaluation" / "metrics.json").read_text())


@pytest.fixture(scope="module")
def answered(tiny_project: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """Held-out rows with their answers."""
    folder = tmp_path_factory.mktemp("answered")
    rows = [json.loads(line) for line in (tiny_project / "datasets/train.jsonl").open()]
    with (folder / "in.csv").open("w", newline="") as stream:
        table = csv.DictWriter(stream, list(rows[0]))
        table.writeheader()
        table.writerows(rows[:300])
    words = ("infer", "--input", str(folder / "in.csv"), "--output", str(folder / "out.csv"))
    command(*words, cwd=tiny_project)
    with (folder / "out.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_each_trained_form_is_calibrated(metrics: dict, tiny_project: Path) -> None:
    assert "calibration" not in metrics["forms"]["base"]
    for form in FORMS:
        own = metrics["forms"][form]["calibration"]
        assert own["validation_rows"] > 40 and 0.05 < own["temperature"] < 20
        assert own["brier"]["low"] <= own["brier"]["value"] <= own["brier"]["high"]
        beside = json.loads((tiny_project / f"gen-model/{form}/calibration.json").read_text())
        assert beside[form]["temperature"] == own["temperature"]
        assert set(beside[form]["labels"]) == set(metrics["labels"])


def test_the_calibration_leaves_every_stage_up_to_date(tiny_project: Path) -> None:
    done = command("run", cwd=tiny_project)
    assert "evaluating" not in done.stderr + done.stdout


def test_rows_have_their_probability_and_the_runner_up(answered, metrics: dict) -> None:
    assert len(answered) == 300
    for row in answered:
        assert row["answer"] in metrics["labels"] and row["runner_up"] in metrics["labels"]
        assert row["runner_up"] != row["answer"]
        assert 0 <= float(row["runner_up_probability"]) <= float(row["probability"]) <= 1
    sure = sum(float(row["probability"]) for row in answered) / len(answered)
    assert sure > 0.8  # it was trained on most of these


def test_one_text_has_the_probability_of_the_batch(answered, tiny_project: Path) -> None:
    row = answered[0]
    text = next(value for key, value in row.items() if key in ("phrase", "text"))
    found = json.loads(command("infer", text, "--json", cwd=tiny_project).stdout)
    assert found["answer"] == row["answer"]
    assert found["probability"] == pytest.approx(float(row["probability"]), abs=0.002)
    assert "probability" in command("infer", text, cwd=tiny_project).stderr


def test_what_is_unsure_is_left_for_a_person(answered, tiny_project: Path, tmp_path: Path) -> None:
    found = sorted(float(row["probability"]) for row in answered[:40])
    least = (found[9] + found[10]) / 2
    columns = list(answered[0])[: list(answered[0]).index("answer")]
    with (tmp_path / "in.csv").open("w", newline="") as stream:
        table = csv.DictWriter(stream, columns, extrasaction="ignore")
        table.writeheader()
        table.writerows(answered[:40])
    words = ("infer", "--input", str(tmp_path / "in.csv"), "--output", str(tmp_path / "out.csv"))
    done = command(*words, "--abstain-below", f"{least:.6f}", cwd=tiny_project)
    with (tmp_path / "out.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    left = [row for row in rows if not row["answer"]]
    assert all(float(row["probability"]) < least and row["suggestion"] for row in left)
    assert len(left) == sum(value < least for value in found)
    assert not left or f"{len(left)} prompt" in done.stderr
    wrong = command("infer", "x", "--abstain-below", "1.5", cwd=tiny_project, check=False)
    assert wrong.returncode == 2 and "from 0 to 1, or auto" in wrong.stderr
    hot = ("infer", "x", "--abstain-below", "0.5", "--temperature", "1")
    assert command(*hot, cwd=tiny_project, check=False).returncode == 2


def test_the_report_shows_it(tiny_project: Path) -> None:
    page = (tiny_project / "gen-model/report/index.html").read_text()
    assert "Probabilities of the labels" in page and "Reliability of the probabilities" in page
