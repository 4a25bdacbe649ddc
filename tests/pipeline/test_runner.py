"""Stages run once, again when their inputs change, and never leave half a result behind."""

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from phi3scaffold.pipeline import atomic_publish, child_lock, manifest
from phi3scaffold.pipeline.events import Event, Note, StageEnded
from phi3scaffold.pipeline.runner import can_share, only_run, run_pipeline
from phi3scaffold.pipeline.stage import Context, Inputs, Resources, Stage
from phi3scaffold.pipeline.stage_runner import scratch
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.settings import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "rows").write_text("one")
    return Project(root=tmp_path, model_id="tiny", revision="main", target="cpu", evaluate_rows=1)


def copy_rows(context: Context) -> dict:
    text = (context.project.root / "rows").read_text()
    (context.out / "copy").write_text(text)
    if text == "broken":
        raise ScaffoldError("the rows are broken")
    return {"length": len(text)}


def upper(context: Context) -> dict:
    text = (context.project.root / "first" / "copy").read_text()
    (context.out / "upper").write_text(text.upper()[:3])
    return {}


STAGES = {
    "first": Stage(
        name="first",
        title="copying",
        folder=lambda project: project.root / "first",
        inputs=lambda project: Inputs(files=(project.root / "rows",)),
        run=copy_rows,
    ),
    "second": Stage(
        name="second",
        title="raising",
        folder=lambda project: project.root / "second",
        inputs=lambda project: Inputs(settings={"cut": 3}),
        run=upper,
        after=("first",),
    ),
}


def run(project: Project, stages: dict[str, Stage] = STAGES) -> dict[str, str]:
    """stage -> how it ended."""
    states: dict[str, str] = {}

    def emit(event: Event) -> None:
        if isinstance(event, StageEnded):
            states[event.stage] = "fresh" if event.seconds is None else "done"

    run_pipeline(project, list(stages), stages, emit)
    return states


def test_a_second_run_does_nothing(project: Project) -> None:
    assert run(project) == {"first": "done", "second": "done"}
    assert run(project) == {"first": "fresh", "second": "fresh"}


def test_a_result_that_somebody_changed_is_made_again_and_said(project: Project) -> None:
    run(project)
    (project.root / "first" / "copy").write_text("ONE")
    events: list[Event] = []
    run_pipeline(project, list(STAGES), STAGES, events.append)
    assert [event for event in events if isinstance(event, Note)] == [
        Note("first", "copy has changed since it was made, or is gone: making it again")
    ]
    assert (project.root / "first" / "copy").read_text() == "one"
    (project.root / "rows").write_text("two")  # no note where the inputs are why
    events.clear()
    run_pipeline(project, list(STAGES), STAGES, events.append)
    assert not any(isinstance(event, Note) for event in events)


def test_what_is_published_may_still_be_an_error(project: Project) -> None:
    """Such as a broken gate: its result stays, and every run ends with the error."""
    judged = dataclasses.replace(
        STAGES["first"],
        judge=lambda facts: ScaffoldError("too short") if facts["length"] < 4 else None,
    )
    for _ in range(2):
        with pytest.raises(ScaffoldError, match="too short"):
            run(project, {"first": judged})
        assert (project.root / "first" / "copy").read_text() == "one"
    (project.root / "rows").write_text("three")
    assert run(project, {"first": judged}) == {"first": "done"}


def test_a_changed_input_runs_again(project: Project) -> None:
    run(project)
    (project.root / "rows").write_text("two")
    assert run(project) == {"first": "done", "second": "done"}
    assert (project.root / "second" / "upper").read_text() == "TWO"


def test_equal_content_upstream_leaves_the_rest_fresh(project: Project) -> None:
    run(project)
    (project.root / "rows").write_text("oneone")
    made = run(project)
    assert made["first"] == "done"
    (project.root / "rows").write_text("oneone")
    os.utime(project.root / "rows", ns=(1, 1))  # touched, not changed
    assert run(project) == {"first": "fresh", "second": "fresh"}


@pytest.mark.parametrize("damage", ["change", "remove", "manifest"])
def test_a_damaged_result_is_made_again(project: Project, damage: str) -> None:
    run(project)
    target = project.root / "first" / "copy"
    if damage == "change":
        target.write_text("ONE")
        os.utime(target, ns=(1, 1))
    elif damage == "remove":
        target.unlink()
    else:
        (project.root / "first" / manifest.NAME).write_text("{")
    assert run(project)["first"] == "done"
    assert target.read_text() == "one"


def test_a_stage_that_the_project_does_not_have_is_left_out(project: Project) -> None:
    """Also as the one before another; once the project has it, what reads from it is stale."""
    has = False

    def stages() -> dict[str, Stage]:
        first = dataclasses.replace(STAGES["first"], wanted=lambda project: has)
        second = dataclasses.replace(STAGES["second"], run=lambda context: {})
        return {"first": first, "second": second}

    assert run(project, stages()) == {"second": "done"}
    assert run(project, stages()) == {"second": "fresh"}
    assert not (project.root / "first").exists()
    has = True
    assert run(project, stages()) == {"first": "done", "second": "done"}


def test_a_failed_stage_keeps_the_last_result(project: Project) -> None:
    run(project)
    (project.root / "rows").write_text("broken")
    with pytest.raises(ScaffoldError, match="broken"):
        run(project)
    assert (project.root / "first" / "copy").read_text() == "one"
    assert not scratch(project).exists()


def test_the_manifest_says_what_made_the_folder(project: Project) -> None:
    run(project)
    made = manifest.read(project.root / "second")
    assert made is not None
    assert set(made.files) == {"upper"}
    assert made.inputs["stage:first"] == manifest.read(project.root / "first").content
    assert made.versions["phi3scaffold"]


def test_a_crash_between_the_two_renames_loses_nothing(project: Project) -> None:
    run(project)
    first = project.root / "first"
    scratch(project).mkdir(parents=True)
    first.rename(scratch(project) / f"{atomic_publish.OLD}first")
    assert run(project) == {"first": "fresh", "second": "fresh"}


def test_a_second_run_at_the_same_time_is_refused(project: Project) -> None:
    with only_run(project), pytest.raises(ScaffoldError, match="Another run") as caught:
        run(project)
    assert caught.value.exit_code == 1


KILLED = """
import sys, time
from pathlib import Path
from phi3scaffold.project.settings import Project
from phi3scaffold.pipeline.events import Event, Note, StageEnded
from phi3scaffold.pipeline.runner import run_pipeline
from phi3scaffold.pipeline.stage import Inputs, Stage
def slow(context):
    (context.out / "half").write_text("half")
    print("half", flush=True)
    time.sleep(60)
project = Project(Path(sys.argv[1]), "tiny", "main", "cpu", 1)
stage = Stage("first", "t", lambda p: p.root / "first", lambda p: Inputs(), slow)
run_pipeline(project, ["first"], {"first": stage}, lambda event: None)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a POSIX signal")
def test_kill_9_leaves_no_half_result(project: Project) -> None:
    run(project)
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(project.root)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "half\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (project.root / "first" / "copy").read_text() == "one"
    assert not (project.root / "first" / "half").exists()
    assert run(project) == {"first": "fresh", "second": "fresh"}
    assert not scratch(project).exists()


def test_a_disk_that_is_too_small_is_said_before_anything_runs(project: Project) -> None:
    resources = Resources(disk=lambda project, weights: 1 << 60)
    huge = dataclasses.replace(STAGES["first"], needs_torch=True, resources=resources)
    with pytest.raises(ScaffoldError, match="GiB are needed") as caught:
        run_pipeline(project, ["first"], {"first": huge}, lambda event: None)
    assert caught.value.exit_code == 2
    assert not (project.root / "first").exists()


def test_stages_share_a_process_only_where_the_weights_are_known_to_be_small(
    tmp_path: Path,
) -> None:
    """Stages before the download must not take the later ones along into their process."""
    small = Stage(
        name="small",
        title="",
        folder=lambda project: project.root / "small",
        inputs=lambda project: Inputs(),
        run=lambda context: {},
    )
    large = dataclasses.replace(
        small, resources=Resources(memory=lambda project, weights: 2 * weights)
    )

    def project(model: str) -> Project:
        return Project(tmp_path, model, "main", "cpu", 10)

    assert can_share(project("tiny"), [small, large])
    assert not can_share(project("microsoft/Phi-3-mini-4k-instruct"), [small])
    weights = tmp_path / "model-cache" / "base" / "model.safetensors"
    weights.parent.mkdir(parents=True)
    for size, fits in ((10, True), (1 << 30, False)):
        with weights.open("wb") as stream:
            stream.truncate(size)
        assert can_share(project("someone/a-model"), [small])
        assert can_share(project("someone/a-model"), [small, large]) is fits


def test_a_run_waits_for_the_child_of_a_killed_one(project: Project, monkeypatch) -> None:
    import filelock

    project.gen.mkdir()
    with filelock.FileLock(project.gen / child_lock.NAME):
        monkeypatch.setattr(child_lock, "PATIENCE", 0.1)
        with pytest.raises(ScaffoldError, match="earlier run is still at work"):
            run(project)
    assert run(project) == {"first": "done", "second": "done"}
