"""Ctrl-C while a child works: it is asked to stop, and the second time ended."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import psutil
import pytest

from phi3scaffold.pipeline import worker
from phi3scaffold.pipeline.events import Event, Note, StageEnded
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.settings import Project
from tests.support.ended import all_end

BEGINNING = """
import os, sys, time
from phi3scaffold.pipeline import protocol
from phi3scaffold.pipeline.events import Failure, Note, StageEnded, to_json
from phi3scaffold.pipeline.interruption import stop_request
from phi3scaffold.project.errors import ScaffoldError

protocol.ignore_signals("SIGINT")
outlet = protocol.take_stdout()
send = lambda event: outlet.send(to_json(event))
"""
# Children that work until they are asked to stop, and one that does not care.
SAVES = """
stop_request.saves_first = True
stop_request.listen(lambda: send(Note("child", "saving")))
send(Note("child", str(os.getpid())))
while not stop_request.is_made:
    time.sleep(0.01)
try:
    stop_request.obey("step 3 of 9")
except ScaffoldError as error:
    send(Failure(error))
"""
FAILS = SAVES.replace("stop_request.obey", "raise ScaffoldError")
HAS_NOTHING_TO_SAVE = """
stop_request.listen(lambda: send(Note("child", "saving")))
send(Note("child", str(os.getpid())))
time.sleep(300)
"""
ENDLESS = SAVES.replace("not stop_request.is_made", "True")
FINISHES = SAVES.partition("try:")[0] + 'send(StageEnded("first", seconds=1.0))'


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(root=tmp_path, model_id="tiny", revision="main", target="cpu", evaluate_rows=1)


def run(
    project: Project, monkeypatch: pytest.MonkeyPatch, program: str
) -> tuple[BaseException, list[Event]]:
    """Run a child; press Ctrl-C at its first message and at each `saving` of an endless one."""
    (project.root / "made_up_child.py").write_text(BEGINNING + program)
    paths = [str(project.root), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    monkeypatch.setattr(worker, "MODULE", "made_up_child")
    events: list[Event] = []

    def take(event: Event) -> None:
        events.append(event)
        if len(events) == 1 or program == ENDLESS:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises((KeyboardInterrupt, ScaffoldError)) as raised:
        worker.run_in_child(project, ["first"], take)
    assert signal.getsignal(signal.SIGINT) is before
    assert isinstance(events[0], Note)
    with contextlib.suppress(psutil.NoSuchProcess):
        assert all_end([psutil.Process(int(events[0].text))])
    return raised.value, events[1:]


needs_posix = pytest.mark.skipif(os.name == "nt", reason="os.kill ends the process there")


@needs_posix
def test_a_child_saves_and_says_how_far_it_came(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    error, events = run(project, monkeypatch, SAVES)
    assert isinstance(error, KeyboardInterrupt)
    assert str(error) == "interrupted after step 3 of 9"
    assert events == [Note("child", "saving")]


@needs_posix
@pytest.mark.parametrize("program", [HAS_NOTHING_TO_SAVE, ENDLESS], ids=["nothing", "endless"])
def test_a_child_ends_at_once(
    program: str, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the first Ctrl-C, since it has nothing to save; at the second, whatever it does."""
    error, _ = run(project, monkeypatch, program)
    assert isinstance(error, KeyboardInterrupt) and not str(error)


@needs_posix
def test_a_child_that_finished_meanwhile(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it has made counts; what comes after it is not begun."""
    error, events = run(project, monkeypatch, FINISHES)
    assert isinstance(error, KeyboardInterrupt)
    assert events[-1] == StageEnded("first", seconds=1.0)


@needs_posix
def test_a_child_that_cannot_save_says_why(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    error, _ = run(project, monkeypatch, FAILS)
    assert isinstance(error, ScaffoldError) and error.what == "step 3 of 9"
