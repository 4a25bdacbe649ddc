"""Rows made up as a test needs them, and what `prepare` makes of them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from phi3scaffold.datasets.preparation import prepare
from phi3scaffold.datasets.prepared_rows import HELD_OUT, TRAIN, Prepared
from phi3scaffold.datasets.spec import load_spec
from phi3scaffold.models.catalogue import tiny_folder
from phi3scaffold.pipeline.events import Step
from phi3scaffold.project.layout import DROPPED_ROWS

TOKENIZER = tiny_folder()
LABELS = ("joy", "fear", "calm")
CLASSIFY = """
task: classify
files: {train: [train.jsonl], held_out: 0.25}
turns: [{user: "{phrase}\\nTone:"}, {assistant: "{tone}"}]
labels: [joy, fear, calm]
"""
QA = CLASSIFY.replace("classify", "qa").replace("labels: [joy, fear, calm]\n", "")
FILES = CLASSIFY.replace("0.25", "[held-out.jsonl]")
Rows = list[dict[str, Any]]


class Made(NamedTuple):
    """What `prepare` wrote and said."""

    folder: Path
    report: dict[str, Any]
    events: list[Step]

    @property
    def train(self) -> list[str]:
        return self.places(TRAIN)

    @property
    def held_out(self) -> list[str]:
        return self.places(HELD_OUT)

    def places(self, split: str) -> list[str]:
        rows = Prepared(self.folder, split)
        return [rows.place(index) for index in range(len(rows))]

    def asked(self, split: str) -> list[str]:
        """The first column of the user's turn of each row."""
        rows = Prepared(self.folder, split)
        told = (rows.conversation(index) for index in range(len(rows)))
        return [next(iter(row.values.values())) for row in told]

    @property
    def dropped(self) -> list[tuple[str, str]]:
        lines = (self.folder / DROPPED_ROWS).read_text(encoding="utf-8").splitlines()
        return [(row["place"], row["reason"]) for row in map(json.loads, lines)]

    @property
    def bytes(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted(self.folder.iterdir())}


def different(count: int, seed: int = 0, words: int = 9) -> list[str]:
    """Texts of which no two are nearly the same."""
    chance = random.Random(seed)
    syllables = [a + b for a in "bdfgklmnprst" for b in "aeiou"]
    return [
        " ".join("".join(chance.choices(syllables, k=chance.randint(1, 3))) for _ in range(words))
        for _ in range(count)
    ]


def labelled(count: int, seed: int = 0) -> Rows:
    """Rows of a classification with three labels in turn."""
    return [
        {"phrase": text, "tone": LABELS[index % 3]}
        for index, text in enumerate(different(count, seed))
    ]


def write(folder: Path, yaml: str = CLASSIFY, **files: Rows) -> Path:
    """A dataset.yaml and its jsonl files (`held_out` is held-out.jsonl); returns the yaml."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in files.items():
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name.replace('_', '-')}.jsonl").write_text(text, encoding="utf-8")
    (folder / "dataset.yaml").write_text(yaml, encoding="utf-8")
    return folder / "dataset.yaml"


def run(
    yaml: Path, out: Path, scratch: Path, workers: int | None = 0, tokenizer: Path = TOKENIZER
) -> Made:
    out.mkdir()
    events: list[Step] = []
    report = prepare(load_spec(yaml), tokenizer, out, scratch, events.append, workers)
    return Made(out, report, events)


Make = Callable[..., Made]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """``make(rows, held_out=..., yaml=...)``: prepared in this process, in a new folder."""
    made = 0

    def make(train: Rows, yaml: str = CLASSIFY, **files: Rows) -> Made:
        nonlocal made
        made += 1
        room = tmp_path / f"run{made}"
        spec = write(room / "datasets", yaml, train=train, **files)
        return run(spec, room / "out", room / "scratch")

    return make
