"""Runs wait on disk for MLflow: at no cost to a training, and through a `kill -9`."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from typing import Any

import pytest

from phi3scaffold.pipeline.events import Note
from phi3scaffold.project.settings import Project
from phi3scaffold.reporting import tracking
from phi3scaffold.reporting.tracking import store_path, track_run
from phi3scaffold.reporting.tracking.waiting import waiting_folder
from phi3scaffold.stages.graph import STAGES
from tests.support.tracked_runs import EVENTS, START, kept, needs_mlflow, runs, track


@needs_mlflow
def test_a_run_that_goes_away_without_a_word(stored: Project) -> None:
    """`kill -9`: what it measured waits on disk, and is tracked later, with its own settings."""
    project = stored
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from phi3scaffold.project.settings import load_project\n"
        "from phi3scaffold.reporting.tracking import TrackedRun\n"
        "from phi3scaffold.stages.graph import STAGES\n"
        f"record = TrackedRun(load_project(Path({str(project.root)!r})), print, STAGES)\n"
        "from phi3scaffold.pipeline.events import StageEnded, StageStarted, Step\n"
        f"for event in {EVENTS[:3]!r}: record.take(event)\n"
        "assert 'mlflow' not in sys.modules\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    settings = project.root / "project.yaml"
    settings.write_text(settings.read_text().replace("tracking: false", "tracking: true"))
    subprocess.run([sys.executable, "-c", code], check=False, stdout=subprocess.DEVNULL)
    (waits,) = waiting_folder(project).glob("*.jsonl")
    with waits.open("ab") as stream:
        stream.write(b'{"at": 1')  # as it may be cut off
    text = project.olive_config.read_text(encoding="utf-8")
    project.olive_config.write_text(text.replace('"r": 16', '"r": 8'), encoding="utf-8")
    later = time.time() + 60
    os.utime(project.olive_config, (later, later))
    assert tracking.track_waiting_runs(project) == ""
    (run,) = runs(project)
    assert run.info.status == "KILLED" and run.info.end_time < 1000 * later
    assert run.data.metrics["finetune/loss"] == 1.5
    assert run.data.params["finetune.r"] == "16"
    assert kept(project) == set()  # the settings are of a later run
    assert not list(waiting_folder(project).glob("*.jsonl"))


@needs_mlflow
def test_a_run_that_could_not_be_tracked_is_tracked_with_the_next(stored: Project) -> None:
    """And only once; meanwhile a run that goes on is left alone."""
    store = store_path(stored)
    store.rename(store.with_name("away"))
    store.mkdir()  # no database
    notes = [event for event in track(stored, EVENTS) if isinstance(event, Note)]
    assert len(notes) == 1 and "did not accept everything" in notes[0].text
    store.rmdir()
    store.with_name("away").rename(store)
    with track_run(stored, print, STAGES) as emit:
        emit(START)
        assert tracking.track_waiting_runs(stored) == ""
        (run,) = runs(stored)
        assert run.info.status == "FINISHED" and run.data.metrics["onnx/accuracy"] == 0.75
    assert len(runs(stored)) == 2


def test_until_its_end_a_run_costs_no_process(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of MLflow runs beside a training; of its measurements each is on disk at once."""

    def started(*_: Any, **__: Any) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)  # mlflow is there
    monkeypatch.setattr(subprocess, "Popen", started)
    run = tracking.TrackedRun(project, lambda event: None, STAGES)
    for number, event in enumerate(EVENTS, start=1):
        run.take(event)
        (waits,) = waiting_folder(project).glob("*.jsonl")
        assert len(waits.read_text(encoding="utf-8").splitlines()) == number + 1
