"""Where a project's files are, and what they are called: writers and readers agree here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PROJECT_FILE = "project.yaml"

# What stages publish in gen-model/.

HISTORY = "history.json"  # beside the adapter: the Trainer's log
METRICS = "metrics.json"
ANSWERS = "answers.jsonl"
RELEASE = "release.json"
PAGE = "index.html"
MODEL_CARD = "MODEL_CARD.md"
ROWS_REPORT = "report.json"
ROWS_PAGE = "report.html"
ROWS_CARD = "DATA_CARD.md"
DROPPED_ROWS = "dropped.jsonl"


class _Below:
    """A path below the project's folder."""

    def __init__(self, place: str) -> None:
        self.place = place

    def __get__(self, layout: Layout, owner: object) -> Path:
        return layout.root / self.place


@dataclass(frozen=True)
class Layout:
    """The places of a project's files.

    Attributes:
        root: the folder that holds project.yaml; absolute.
    """

    root: Path

    datasets = _Below("datasets")
    dataset_yaml = _Below("datasets/dataset.yaml")
    olive_config = _Below("fine-tuning/olive-config.json")
    job = _Below("fine-tuning/job.yml")  # only projects for a target in the cloud have it
    lock = _Below("model.lock")
    tokenizer = _Below("model-cache/tokenizer")
    base = _Below("model-cache/base")
    gen = _Below("gen-model")
    rows = _Below("gen-model/data")  # as the data stage prepared them
    adapter = _Below("gen-model/adapter")
    merged = _Below("gen-model/merged")
    onnx = _Below("gen-model/onnx")
    onnx_adapter = _Below("gen-model/onnx-adapter")
    onnx_base = _Below("gen-model/onnx-base")
    evaluation = _Below("gen-model/evaluation")
    report = _Below("gen-model/report")
    release = _Below("gen-model/release")
    search = _Below("gen-model/search")  # of `phi3scaffold optimize`; no stage's

    @property
    def base_bytes(self) -> int:
        """Size of the base model's weights on disk; 0 before they are there."""
        return sum(file.stat().st_size for file in self.base.glob("*.safetensors"))
