"""A new project's training settings follow from its rows, counted before they are prepared."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from phi3scaffold import generator
from phi3scaffold.generator.row_count import training_rows
from phi3scaffold.generator.row_source import user_rows
from tests.conftest import command

ANSWERS = {"algo": "lora", "target": "cpu", "task": "classify", "model": "tiny"}
WORDS = ("river", "garden", "market", "winter", "castle", "engine", "doctor", "island", "window")


def rows(path: Path, number: int) -> Path:
    """Write rows that are no near duplicates of each other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as stream:
        for n in range(number):
            words = [WORDS[n * k % 9] + str(n * 7 + k) for k in range(1, 9)]
            stream.write(json.dumps({"phrase": " ".join(words), "tone": ("a", "b")[n % 2]}) + "\n")
    return path


def new(folder: Path, **answers: Any) -> tuple[dict[str, Any], list[str]]:
    """Make a project; return its training arguments, and what was said."""
    said: list[str] = []
    data = answers.pop("data")
    generator.new(
        folder / "proj", ANSWERS | answers, data=data, git=False, wheel=False, say=said.append
    )
    config = json.loads((folder / "proj" / "fine-tuning" / "olive-config.json").read_text())
    return config["passes"]["finetune"]["training_args"], said


def test_rows_of_one_file_are_counted_without_those_that_do_not_train(tmp_path: Path) -> None:
    """As the data stage splits them: a fifth is held out, and fifty validate."""
    arguments, said = new(tmp_path, data=rows(tmp_path / "rows.jsonl", 300))
    assert "training: about 168 steps (190 rows, 7 epochs, 8 rows a step); " in "\n".join(said)
    assert (arguments["num_train_epochs"], arguments["per_device_train_batch_size"]) == (7, 8)
    assert arguments["warmup_steps"] == 0.1 and arguments["learning_rate"] == 0.002
    printed = command("data", cwd=tmp_path / "proj").stdout
    assert "190 to train" in printed and "Training will take 168 steps" in printed


def test_files_of_their_own_train_whole(tmp_path: Path) -> None:
    rows(tmp_path / "data" / "train.jsonl", 60)
    rows(tmp_path / "data" / "test.jsonl", 30)
    source = user_rows(tmp_path / "data", None)
    assert training_rows(source) == 60
    arguments, _ = new(tmp_path, data=source)
    assert (arguments["num_train_epochs"], arguments["per_device_train_batch_size"]) == (10, 4)


def test_rows_of_the_hub_are_not_counted_and_that_is_said(tmp_path: Path) -> None:
    source = user_rows(rows(tmp_path / "rows.jsonl", 60), None)
    there = replace(source, files={})  # as they lie there
    assert training_rows(there) == 0
    arguments, said = new(tmp_path, data=there)
    assert arguments["num_train_epochs"] == 3
    assert "the number of rows is not known yet, 1,000 are assumed" in "\n".join(said)


@pytest.mark.parametrize("algo", ["lora", "lokr"])
def test_a_project_of_the_same_answers_is_the_same_again(tmp_path: Path, algo: str) -> None:
    """`update` renders from the stored answers: all that decides is among them."""
    import yaml

    from phi3scaffold.generator.render import render

    new(tmp_path, data=rows(tmp_path / "rows.jsonl", 60), algo=algo)
    root = tmp_path / "proj"
    stored = yaml.safe_load((root / ".copier-answers.yml").read_text())
    assert stored["train_rows"] == 48
    again = tmp_path / "again"
    again.mkdir()
    render(again, {key: value for key, value in stored.items() if not key.startswith("_")})
    config = "fine-tuning/olive-config.json"
    assert (again / config).read_text() == (root / config).read_text()
