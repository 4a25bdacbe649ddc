"""dataset.yaml is the user's: an update adds a key to it, and changes no other character."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from phi3scaffold import generator
from phi3scaffold.datasets.prepared_rows import HELD_OUT, VALIDATION
from phi3scaffold.generator import update
from phi3scaffold.generator.render import render
from phi3scaffold.generator.update.migrations import between
from tests.datasets import released_split
from tests.datasets.conftest import run, write
from tests.support.releases import ANSWERS, commit, git

(ADDITION,) = between("0.2.0", "0.3.0").additions
TEXTS = {
    "as new writes it": (
        "task: qa\n\nfiles:\n  train: [\"a.jsonl\"]\n  held_out: 0.2\n\nseed: 42\n",
        "  train: [\"a.jsonl\"]\n  validation: auto\n  held_out: 0.2\n",
    ),
    "several files": (
        "files:\n  train:\n    - a.jsonl\n    - b.jsonl  # more\n\n  # ours\n  held_out: 0.2\n",
        "    - b.jsonl  # more\n  validation: auto\n\n  # ours\n  held_out: 0.2\n",
    ),
    "a list that is not indented": (
        "files:\n  train:\n  - a.jsonl\n  held_out: 0.2\n", "  - a.jsonl\n  validation: auto\n"
    ),
    "one line": (
        "files: {train: [a.jsonl], held_out: 0.2} # x\n",
        "{train: [a.jsonl], validation: auto, held_out: 0.2} # x\n",
    ),
    "one name": ("files: {train: a.jsonl}", "files: {train: a.jsonl, validation: auto}"),
    "at the end without a line end": (
        "files:\n    held_out: 0.1\n    train: 'a.jsonl'", "'a.jsonl'\n    validation: auto"
    ),
    "Windows": (
        "files:\r\n  train: [a.jsonl]\r\n  held_out: 0.2\r\n",
        "[a.jsonl]\r\n  validation: auto\r\n  held_out: 0.2\r\n",
    ),
    "a byte order mark and other letters": (
        "\ufeff# Zeilen für uns 猫\nfiles:\n  train: [größe-🙂.jsonl]\n",
        "🙂.jsonl]\n  validation: auto\n",
    ),
    "a list over lines": (
        "files:\n  train: [a.jsonl,\n    b.jsonl]  # two\n  held_out: [c.jsonl]\n",
        "    b.jsonl]  # two\n  validation: auto\n  held_out: [c.jsonl]\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_a_key_is_added_and_nothing_else_changes(name: str) -> None:
    text, part = TEXTS[name]
    added = ADDITION.insert(text.encode()).decode()
    assert part in added
    assert re.sub(r"(, |\r?\n +)validation: auto", "", added) == text
    before, after = yaml.safe_load(text), yaml.safe_load(added)
    assert after["files"] == {**before["files"], "validation": "auto"}
    assert ADDITION.insert(added.encode()).decode() == added


@pytest.mark.parametrize(
    "text",
    [
        "files: {train: [a], validation: null}\n",
        "files:\n  validation: [v.jsonl]\n  train: [a]\n",
        "files: [a.jsonl]\n",
        "files: {held_out: 0.2}\n",
        "task: qa\n",
        "- a\n",
        "",
        "files: {train: [a\n",
        "base: &base {train: [a]}\nfiles:\n  <<: *base\n",
    ],
)
def test_a_file_without_need_or_place_is_left_alone(text: str) -> None:
    assert ADDITION.insert(text.encode()) == text.encode()


@pytest.mark.parametrize("tag", ["v0.1.0", "v0.2.0"])
def test_a_project_keeps_its_held_out_rows(tmp_path: Path, tag: str) -> None:
    today = generator.new(tmp_path / "today", ANSWERS, git=False, wheel=False)
    answers = yaml.safe_load((today / ".copier-answers.yml").read_text(encoding="utf-8"))
    answers = {name: value for name, value in answers.items() if not name.startswith("_")}
    del answers["rows"]["validation"]  # which versions before did not write
    answers["rows"] |= {"held_out": 0.2, "labels": ["joy", "fear", "calm"]}
    project = tmp_path / "proj"
    render(project, answers, tag)
    path = project / "datasets" / "dataset.yaml"
    mine = path.read_text(encoding="utf-8").replace("seed: 42", "seed: 42  # ours")
    write(project / "datasets", mine, train=released_split.rows())
    git(project, "init", "-q")
    commit(project)
    assert "validation" not in mine
    found = update.update(project, {})
    text = path.read_text(encoding="utf-8")
    assert text.replace("\n  validation: auto", "") == mine
    (note,) = found.notes
    assert note.startswith("datasets/dataset.yaml now says files.validation: auto. The held-out")
    assert not found.of("conflict")
    config = (project / "fine-tuning" / "olive-config.json").read_text(encoding="utf-8")
    assert '"eval_data_config": "validation"' in config and "held_out" not in config
    prepared = run(path, tmp_path / "out", tmp_path / "scratch")
    lines = tuple(int(place.rpartition(":")[2]) for place in prepared.places(HELD_OUT))
    assert lines == released_split.HELD_OUT["classify", 0.2, 42]
    assert len(prepared.places(VALIDATION)) == 50
    commit(project)
    assert not update.update(project, {}).changes
