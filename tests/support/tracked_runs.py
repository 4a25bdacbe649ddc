"""A run's events, sent through tracking, and what of it is in the store."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from phi3scaffold.pipeline.events import Event, StageEnded, StageStarted, Step
from phi3scaffold.project.settings import Project
from phi3scaffold.reporting import tracking
from phi3scaffold.reporting.tracking import store_path, track_run
from phi3scaffold.stages.graph import STAGES

needs_mlflow = pytest.mark.skipif(
    importlib.util.find_spec("mlflow") is None, reason="MLflow is not installed"
)
START = StageStarted("finetune", "training")
METRICS = {"accuracy": 0.75, "perplexity": float("inf"), "accuracy_interval": [0.7, 0.8]}


def done(stage: str, **facts: Any) -> StageEnded:
    return StageEnded(stage, facts, seconds=2.0, peak_bytes=5 * 2**20)


EVENTS: list[Event] = [
    START,
    *(Step(n, 3, loss=3.0 / n, loss_step=n) for n in (1, 2, 3)),
    done("finetune", last_loss=1.0, algo="LoRA"),
    done("evaluate", forms={"onnx": METRICS}),
    done("gate", released=True),
    done("report"),
]


def track(project: Project, events: list[Event], **how: bool) -> list[Event]:
    """Send events through; returns what came out, notes among it."""
    told: list[Event] = []
    with track_run(project, told.append, STAGES, **how) as emit:
        for event in events:
            emit(event)
    return told


def kept(project: Project) -> set[str]:
    """The names of the files that were tracked."""
    return {path.name for path in store_path(project).parent.glob("artifacts/*/artifacts/*")}


def runs(project: Project) -> list[Any]:
    from mlflow import MlflowClient

    client = MlflowClient(tracking.tracking_uri(project))
    experiments = client.search_experiments(filter_string="name != 'Default'")
    return [client.get_run(one.info.run_id) for experiment in experiments
            for one in client.search_runs([experiment.experiment_id])]  # fmt: skip
