"""What a real run made, to be changed into what other runs would make."""

from __future__ import annotations

import copy
import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from phi3scaffold.evaluation.estimate import Estimate
from phi3scaffold.evaluation.evaluated_rows import EvaluatedRow
from phi3scaffold.evaluation.metrics import FormMetrics
from phi3scaffold.project.settings import Project, load_project
from phi3scaffold.reporting import tracking
from phi3scaffold.reporting.run_record import RowPrompt, RunRecord, read_run
from phi3scaffold.reporting.tracking import process, store_path
from phi3scaffold.stages.graph import STAGES


@pytest.fixture(scope="session")
def real(tiny_project: Path) -> RunRecord:
    """What the shared project's run made."""
    project = load_project(tiny_project)
    stages = [STAGES[name] for name in STAGES["report"].after_in(STAGES)]
    timed = frozenset(stage.name for stage in stages if stage.is_timed)
    return read_run(project, {stage.name: stage.folder(project) for stage in stages}, timed)


@pytest.fixture
def made(real: RunRecord) -> RunRecord:
    """A copy of it, to change at will."""
    return copy.deepcopy(real)


def with_labels(made: RunRecord, labels: list[str]) -> RunRecord:
    """As if the task had these labels: two rows each, one of which is given the next label."""
    many = len(labels)
    answers, prompts = [], {}
    for number, label in enumerate(labels * 2):
        place = f"held-out.jsonl:{number + 1}"
        said = label if number < many else labels[(number + 1) % many]
        forms = {"base": "?", "adapter": label, "merged": label, "onnx": said}
        answers.append(EvaluatedRow(place, label, forms))
        prompts[place] = RowPrompt(f"What is it?\nNumber {number}.")
    table = [[0] * (many + 1) for _ in labels]
    for number in range(many):
        table[number][number] += 1
        table[number][(number + 1) % many] += 1
    metrics = dataclasses.replace(made.metrics, labels=labels, rows=2 * many, held_out=2 * many)
    for form in metrics.forms.values():
        form.confusion = table
    metrics.baselines["majority"].label = labels[0]
    counts = {side: dict.fromkeys(labels, 2) for side in ("train", "validation", "held_out")}
    data = {**made.data, "labels": counts}
    return dataclasses.replace(made, metrics=metrics, data=data, answers=answers, prompts=prompts)


def with_free_answers(made: RunRecord, task: str) -> RunRecord:
    """As if the task were question and answer, or chat."""
    forms = {
        name: FormMetrics(
            form.perplexity,
            exact_match=0.25,
            exact_match_interval=[0.2, 0.3],
            rouge_l=0.7,
            chrf=0.6,
            estimates={"chrf_lost": Estimate(0.004, -0.012, 0.021, 60)} if name == "onnx" else {},
            same_answer=form.same_answer,
            agreement=form.agreement,
        )
        for name, form in made.metrics.forms.items()
    }
    metrics = dataclasses.replace(made.metrics, task=task, labels=[], baselines={}, forms=forms)
    return dataclasses.replace(made, metrics=metrics, data={**made.data, "labels": None})


def unknown_baseline(made: RunRecord) -> None:
    """As if the rows could not tell whether the model is better than the linear baseline."""
    check = next(check for check in made.release.checks if check.key == "over_tfidf")
    vars(check).update(verdict="unknown", value=-0.02, interval=[-0.06, 0.02], why="few rows")


Change = Callable[[RunRecord], RunRecord]


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once: it takes MLflow seconds."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    process.create_store(path)
    return path


@pytest.fixture
def stored(project: Project, empty_store: Path) -> Project:
    """`project`, with an empty store."""
    store_path(project).parent.mkdir(parents=True)
    shutil.copy(empty_store, store_path(project))
    return project


@pytest.fixture
def project(tiny_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with what a run makes, but the models."""
    monkeypatch.delenv(tracking.URI, raising=False)
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    left_out = shutil.ignore_patterns("*.data", "*.safetensors", "*.arrow", ".git", "tracking")
    root = shutil.copytree(tiny_project, tmp_path / "proj", symlinks=True, ignore=left_out)
    return dataclasses.replace(load_project(Path(root)), tracking=True)
