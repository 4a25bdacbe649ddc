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


@dataclass(frozen=True)
class Layout:
    """The places of a project's files.

    Attributes:
        root: the folder that holds project.yaml; absolute.
    """

    root: Path

    @property
    def datasets(self) -> Path:
        return self.root / "datasets"

    @property
    def dataset_yaml(self) -> Path:
        return self.datasets / "dataset.yaml"

    @property
    def olive_config(self) -> Path:
        return self.root / "fine-tuning" / "olive-config.json"

    @property
    def job(self) -> Path:
        """The job that runs the pipeline in the cloud; only projects for such a target have it."""
        return self.root / "fine-tuning" / "job.yml"

    @property
    def lock(self) -> Path:
        return self.root / "model.lock"

    @property
    def tokenizer(self) -> Path:
        return self.root / "model-cache" / "tokenizer"

    @property
    def base(self) -> Path:
        return self.root / "model-cache" / "base"

    @property
    def base_bytes(self) -> int:
        """Size of the base model's weights on disk; 0 before they are there."""
        return sum(file.stat().st_size for file in self.base.glob("*.safetensors"))

    @property
    def gen(self) -> Path:
        return self.root / "gen-model"

    @property
    def rows(self) -> Path:
        """The rows as the data stage prepared them."""
        return self.gen / "data"

    @property
    def adapter(self) -> Path:
        return self.gen / "adapter"

    @property
    def merged(self) -> Path:
        return self.gen / "merged"

    @property
    def onnx(self) -> Path:
        return self.gen / "onnx"

    @property
    def onnx_adapter(self) -> Path:
        return self.gen / "onnx-adapter"

    @property
    def onnx_base(self) -> Path:
        return self.gen / "onnx-base"

    @property
    def evaluation(self) -> Path:
        return self.gen / "evaluation"

    @property
    def report(self) -> Path:
        return self.gen / "report"

    @property
    def release(self) -> Path:
        return self.gen / "release"
