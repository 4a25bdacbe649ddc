"""Runs in MLflow: what gets there, and that a run does not care where nothing does."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import time
from base64 import b64encode
from collections.abc import Mapping
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from phi3scaffold.pipeline.events import Event, Note, StageEnded, StageStarted, Step
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.settings import Project, load_project
from phi3scaffold.reporting import tracking
from phi3scaffold.reporting.tracking import process, store_path, track_run, track_waiting_runs
from phi3scaffold.reporting.tracking.measurements import Measurements, measure
from phi3scaffold.reporting.tracking.run_settings import LONGEST, RunSettings, settings_file
from phi3scaffold.stages import report
from phi3scaffold.stages.graph import STAGES
from tests.support.mlflow_server import Server
from tests.support.tracked_runs import EVENTS, METRICS, START, done, kept, needs_mlflow, runs, track


@needs_mlflow
def test_a_run_is_in_the_projects_own_store(project: Project) -> None:
    from mlflow import MlflowClient

    (project.adapter / "history.json").write_text('[{"step": 3, "eval_loss": 0.5}]')
    assert track(project, EVENTS) == EVENTS  # nothing to complain of
    (run,) = runs(project)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["onnx/accuracy"] == 0.75
    assert run.data.metrics["finetune/loss"] == 1.0
    assert run.data.metrics["finetune/seconds"] == 2.0
    assert run.data.metrics["evaluate/peak_MiB"] == 5.0
    assert not [name for name in run.data.metrics if "perplexity" in name]  # it is not finite
    assert run.data.tags["released"] == run.data.tags["demonstration"] == "true"
    assert run.data.params["finetune.r"] == "16" and run.data.params["model"] == "tiny"
    (rows,) = run.inputs.dataset_inputs
    assert json.loads(rows.dataset.profile) == {
        "train": 1134, "validation": 126, "held_out": 440
    }  # fmt: skip
    client = MlflowClient(tracking.tracking_uri(project))
    steps = client.get_metric_history(run.info.run_id, "finetune/loss")
    assert [(one.step, one.value) for one in steps] == [(1, 3.0), (2, 1.5), (3, 1.0)]
    assert run.data.metrics["finetune/validation_loss"] == 0.5
    assert run.info.start_time <= steps[0].timestamp <= run.info.end_time
    assert kept(project) == {
        *("index.html", "MODEL_CARD.md", "metrics.json", "release.json", "olive-config.json"),
    }


@needs_mlflow
def test_the_loss_curve_is_whole_where_a_run_goes_on(
    stored: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the steps that another run made, too, each with its own loss, and once."""
    from mlflow import MlflowClient

    history = [{"step": n, "loss": float(n)} for n in (1, 2, 3, 4)]
    (stored.adapter / "history.json").write_text(json.dumps(history))
    events = [
        START,
        Step(3, 4, loss=3.0, loss_step=3, tokens_per_second=9.0),
        Step(4, 4, loss=3.0, loss_step=3, tokens_per_second=9.0),  # it has none yet
        Step(4, 4, loss=4.0, loss_step=4, tokens_per_second=9.0),
        done("finetune"),
    ]
    client = MlflowClient(tracking.tracking_uri(stored))

    def losses() -> list[tuple[int, float]]:
        (run,) = runs(stored)
        told = client.get_metric_history(run.info.run_id, "finetune/loss")
        return sorted((one.step, one.value) for one in told)

    whole = [(n, float(n)) for n in (1, 2, 3, 4)]
    track(stored, events)
    assert losses() == whole
    (run,) = runs(stored)
    monkeypatch.setenv("MLFLOW_RUN_ID", run.info.run_id)  # a job that was begun again
    track(stored, [START, done("finetune")])
    assert losses() == whole


@needs_mlflow
def test_a_whole_run_of_the_pipeline_is_tracked(tiny_project: Path) -> None:
    """What `new` and `run` make, with nothing said about tracking."""
    from mlflow import MlflowClient

    project = load_project(tiny_project)
    if "\ntracking: true" not in (tiny_project / "project.yaml").read_text(encoding="utf-8"):
        pytest.skip("not the project that this suite has trained")
    assert store_path(project).is_file()
    (run,) = runs(project)
    assert run.info.status == "FINISHED" and run.data.tags["released"] == "true"
    assert run.data.metrics["onnx/accuracy"] > 0.9
    assert run.data.metrics["finetune/steps"] > 100
    client = MlflowClient(tracking.tracking_uri(project))
    told = client.get_metric_history(run.info.run_id, "finetune/loss")
    history = json.loads((project.adapter / "history.json").read_text(encoding="utf-8"))
    losses = [(entry["step"], entry["loss"]) for entry in history if "loss" in entry]
    assert sorted((one.step, one.value) for one in told) == losses
    names = {"index.html", "MODEL_CARD.md", "DATA_CARD.md", "metrics.json", "release.json"}
    assert kept(project) == {*names, "olive-config.json"}


@needs_mlflow
def test_the_description_is_the_verdict_and_the_comparison(stored: Project) -> None:
    track(stored, EVENTS)
    (run,) = runs(stored)
    told = run.data.tags["mlflow.note.content"]
    for line in ("**Released**", "| onnx | ", "| `over_base` | passed |"):
        assert line in told
    assert "sha256" not in told and len(told) <= report.NOTE


@needs_mlflow
def test_how_a_run_ended_is_said(stored: Project) -> None:
    """Also that a project that was moved writes where it lies now."""
    project = stored
    with pytest.raises(KeyboardInterrupt), track_run(project, print, STAGES) as emit:
        emit(START)
        raise KeyboardInterrupt
    assert track_waiting_runs(project) == ""
    assert kept(project) == {"olive-config.json"}  # the report is of an earlier run
    moved = project.root.with_name("moved")
    project.root.rename(moved)
    project = dataclasses.replace(load_project(moved), tracking=True)
    with pytest.raises(ScaffoldError), track_run(project, print, STAGES) as emit:
        emit(START)
        raise ScaffoldError("The loss is nan.")
    with pytest.raises(ScaffoldError), track_run(project, print, STAGES) as emit:
        for event in EVENTS:
            emit(event)
        raise ScaffoldError("The gate is broken.")
    assert sorted(run.info.status for run in runs(project)) == ["FAILED", "FINISHED", "KILLED"]
    places = {run.info.artifact_uri.partition("/gen-model")[0] for run in runs(project)}
    assert {Path(place).name for place in places} == {"proj", "moved"}
    assert not (moved.with_name("proj")).exists()


@needs_mlflow
@pytest.mark.parametrize("uri", ["nonsense://nowhere", "http://me:open-sesame@127.0.0.1:9"])
def test_a_store_that_does_not_answer_ends_no_run(
    uri: str, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what opens it is nowhere to be read."""
    monkeypatch.setenv(tracking.URI, uri)
    begun = time.monotonic()
    notes = [event.text for event in track(project, EVENTS) if isinstance(event, Note)]
    assert len(notes) == 1 and tracking.without_credentials(uri) in notes[0]
    assert time.monotonic() - begun < 40
    log = (project.gen / "logs" / "run.log").read_text(encoding="utf-8")
    assert "Traceback" in log and "sesame" not in log + notes[0]


@needs_mlflow
def test_a_password_of_a_server_is_sent_and_never_written(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Server, "asked", [])
    monkeypatch.setattr(Server, "runs", {})
    monkeypatch.setattr(Server, "place", tmp_path / "files", raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        uri = f"http://me:open-sesame@127.0.0.1:{server.server_port}"
        monkeypatch.setenv(tracking.URI, uri)
        assert track(project, EVENTS) == EVENTS
        server.shutdown()
    assert ("runs/update", "Basic " + b64encode(b"me:open-sesame").decode()) in Server.asked
    written = [path for path in project.gen.rglob("*") if path.is_file()]
    written += (tmp_path / "files").rglob("*.*")
    assert {"run.log", "index.html"} <= {path.name for path in written}
    assert not [path for path in written if b"sesame" in path.read_bytes()]


@needs_mlflow
def test_a_store_that_answers_late_gets_all(
    stored: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is away at first, then in the middle of the run."""
    monkeypatch.setattr(process, "AGAIN", 0.0)
    monkeypatch.setattr(process, "EVERY", 0.0)
    away = store_path(stored).parent.with_name("away")
    tracker = process.Tracker(stored)
    for number, event in enumerate(EVENTS):
        if number in (0, 4):
            store_path(stored).parent.rename(away)
            store_path(stored).parent.write_text("no folder")
        if number in (2, 6):
            store_path(stored).parent.unlink()
            away.rename(store_path(stored).parent)
        if isinstance(event, StageStarted | StageEnded):
            stage = STAGES[event.stage]
        tracker.take(measure(event, stage, stored))
        assert bool(tracker.problem) is (number in (0, 1, 4, 5))
    tracker.end("FINISHED")
    assert not tracker.problem
    (run,) = runs(stored)
    assert run.info.status == "FINISHED" and run.data.tags["released"] == "true"
    assert {"finetune/loss", "finetune/seconds", "onnx/accuracy"} <= run.data.metrics.keys()


@needs_mlflow
def test_two_runs_at_once_share_a_new_store(project: Project) -> None:
    told: list[list[Event]] = [[], []]
    first, second = (track_run(project, one.append, STAGES) for one in told)
    with first as one, second as other:
        for emit in (one, other):
            for event in EVENTS:
                emit(event)
    assert told == [EVENTS, EVENTS]
    assert [run.info.status for run in runs(project)] == ["FINISHED"] * 2


@needs_mlflow
def test_a_run_that_went_down_with_its_machine_is_not_running(stored: Project) -> None:
    gone, here = process.Tracker(stored), process.Tracker(stored)
    gone.take(Measurements(1.0))
    here.take(Measurements(2.0))
    assert [run.info.status for run in runs(stored)] == ["RUNNING"] * 2  # both are this process
    client, run = gone._client, gone._run
    host, pid, begun = client.get_run(run).data.tags[process.PROCESS].rsplit(" ", 2)
    client.set_tag(run, process.PROCESS, f"{host} {pid} {int(begun) - 3600}")
    process.Tracker(stored).take(Measurements(3.0))
    found = {one.info.run_id: one.info.status for one in runs(stored)}
    assert found.pop(run) == "KILLED"
    assert set(found.values()) == {"RUNNING"}


def test_without_mlflow_it_is_said_once(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "mlflow" else find(name)
    )
    told = track(project, EVENTS * 2)
    assert [event for event in told if not isinstance(event, Note)] == EVENTS * 2
    (note,) = [event for event in told if isinstance(event, Note)]
    assert "MLflow is not installed" in note.text
    assert not store_path(project).parent.exists()


@pytest.mark.parametrize("why", ["off", "nothing was made", "elsewhere"])
def test_nothing_is_tracked_where_nothing_should_be(why: str, project: Project) -> None:
    events = [done("gate", released=True)] if why == "nothing was made" else EVENTS
    off = dataclasses.replace(project, tracking=why != "off")
    assert track(off, events, here=why != "elsewhere") == events
    assert not store_path(project).parent.exists()


def test_the_setting(project: Project) -> None:
    settings = project.root / "project.yaml"
    plain = "".join(
        line for line in settings.read_text().splitlines(True) if not line.startswith("tracking:")
    )
    for value, expected in (("true", True), ("false", False)):
        settings.write_text(f"{plain}\ntracking: {value}\n")
        assert load_project(project.root).tracking is expected
    settings.write_text(plain)
    assert load_project(project.root).tracking is True
    settings.write_text(f"{plain}\ntracking: maybe\n")
    with pytest.raises(ScaffoldError, match="tracking is true or false"):
        load_project(project.root)


def test_what_is_tracked_is_numbers(project: Project) -> None:
    def metrics(event: Event, stage: str) -> Mapping[str, float]:
        return measure(event, STAGES[stage], project).metrics

    assert metrics(Step(3, 9, loss=0.5, loss_step=3), "finetune") == {"finetune/loss": 0.5}
    assert metrics(Step(3, 9, loss=0.5, loss_step=2), "finetune") == {}  # an earlier one
    assert metrics(Step(3, 9, form="onnx"), "evaluate") == {}
    assert metrics(done("evaluate", forms={"onnx": METRICS}, rows=True), "evaluate") == {
        "evaluate/seconds": 2.0,
        "evaluate/peak_MiB": 5.0,
        "onnx/accuracy": 0.75,
    }
    assert metrics(done("merge", merge_base="original"), "merge")["merge/seconds"] == 2.0
    assert metrics(done("gate", checks=3), "gate") == {}


def test_no_secret_is_a_parameter(project: Project) -> None:
    text = project.olive_config.read_text(encoding="utf-8")
    secrets = '"seed": 42, "hub_token": "hf_x", "api_key": "k", "note": "' + "x" * 900 + '"'
    project.olive_config.write_text(text.replace('"seed": 42', secrets), encoding="utf-8")
    found = RunSettings.of(project).parameters
    assert not {"hf_x", "k"} & set(found.values())
    assert settings_file(project) == [str(project.olive_config)]
    assert found["finetune.seed"] == "42" and len(found["finetune.note"]) == LONGEST
    key = text.replace('"seed": 42', f'"seed": 42, "run_name": "hf_{"abcdefgh" * 4}ab"')
    project.olive_config.write_text(key, encoding="utf-8")
    assert settings_file(project) == []
