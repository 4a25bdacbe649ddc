"""The progress display: a bar in a terminal, lines elsewhere, and the time left in both."""

from __future__ import annotations

import io
import re

import pytest

from phi3scaffold.cli.ui import progress
from phi3scaffold.cli.ui.progress import Display, bytes_text, count_text
from phi3scaffold.cli.ui.run_progress import show_event
from phi3scaffold.pipeline.events import Event, Note, StageEnded, StageStarted, Step


class Clock:
    """A clock that the test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(progress.time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def lines(stream: io.StringIO) -> list[str]:
    return stream.getvalue().splitlines()


def test_without_a_terminal_a_line_now_and_then(clock: Clock) -> None:
    stream = io.StringIO()
    with progress.show(stream) as display:
        display.start("sending")
        display.update(0, 2_000_000_000, bytes_text("onnx/a", 0, 2_000_000_000))
        clock.now += 4200
        display.update(10**9, 2 * 10**9, bytes_text("onnx/b", 10**9, 2 * 10**9))
        clock.now += 1
        display.update(1_100_000_000, 2 * 10**9, "too soon after the last line")
        display.say("a word")
        display.end()
    assert lines(stream) == ["  onnx/b: 1.00 GB of 2.00 GB, 1 h 10 min left", "a word"]


def test_a_quiet_display_says_what_it_is_told_alone(clock: Clock) -> None:
    stream = io.StringIO()
    with progress.show(stream, quiet=True) as display:
        display.start("answering")
        clock.now += 1000
        display.update(1, 2, count_text(1, 2))
        display.say("error: a row")
    assert lines(stream) == ["error: a row"]


def test_time_left(clock: Clock) -> None:
    display = Display(io.StringIO())
    display.start("training", seconds=100)
    clock.now += 30
    assert display.time_left() == "1 min 10 s left"  # the clock alone, where nothing is counted
    assert display.share() == pytest.approx(0.3)
    display.update(0, 1000, "")
    assert display.time_left() == ""  # not before the first step
    display.update(1, 1000, "")
    assert display.time_left() == "1 min 40 s left"  # as was forecast
    clock.now += 10
    display.update(501, 1000, "")
    assert display.time_left() == "14 s left"  # the steps are five times as fast
    assert display.share() == 0.501
    display.update(0, 100, "")  # another round, such as the next form
    clock.now += 5
    display.update(50, 100, "")
    assert display.time_left() == "5.0 s left"
    display.start("waiting")
    assert (display.time_left(), display.share()) == ("", None)
    display.start("late", seconds=5)
    clock.now += 60
    assert (display.time_left(), display.share()) == ("", 0.97)


def test_a_forecast_that_is_far_off_is_soon_corrected(clock: Clock) -> None:
    """The first step, in which everything loads, is not taken for the speed of the others."""
    display = Display(io.StringIO())
    display.start("training", seconds=20)
    clock.now += 15
    display.update(1, 100, "")
    assert display.time_left() == "20 s left"
    for step in range(2, 22):
        clock.now += 1
        display.update(step, 100, "")
    assert display.time_left() == "1 min 6 s left"  # of 79


def test_a_task_without_a_forecast_waits_for_steps_to_count(clock: Clock) -> None:
    display = Display(io.StringIO())
    display.start("answering")
    clock.now += 30
    display.update(1, 1000, "")
    assert display.time_left() == ""
    display.update(500, 1000, "")
    assert display.time_left() == "30 s left"


def test_an_earlier_runs_share_says_nothing_about_the_speed(clock: Clock) -> None:
    display = Display(io.StringIO())
    display.start("answering")
    display.update(500, 1000, "", resumed=True)
    assert (display.time_left(), display.share()) == ("", 0.5)
    clock.now += 10
    display.update(600, 1000, "")
    assert display.time_left() == "40 s left"


def test_a_run_as_lines(clock: Clock) -> None:
    stream = io.StringIO()
    display = Display(stream)
    events: list[Event] = [
        StageStarted("finetune", "training", 80.0),
        Step(4, 8, loss=0.5, tokens_per_second=1234.4),
        Note("tracking", "no server"),
        StageEnded("finetune", seconds=75.0),
        StageEnded("merge"),
    ]
    for event in events:
        show_event(display, event)
        clock.now += 20
    assert lines(stream) == [
        "finetune: training (about 1 min 20 s)",
        "  4/8, loss 0.500, 1234 tokens/s, 40 s left",
        "tracking: no server",
        "finetune: done in 1 min 15 s",
        "merge: up to date",
    ]


def training_step(step: int, **values: float) -> Step:
    """A step of a long training, with numbers that are as wide as they get."""
    known = {"loss": 12.3456, "learning_rate": 0.00036363, "tokens_per_second": 123456.7}
    validation = {"validation_loss": 11.5, "best_loss": 10.25, "best_step": 12000}
    return Step(step, 21300, peak_bytes=130 * 2**30, **{**known, **validation, **values})


def test_a_line_a_validation_without_a_terminal(clock: Clock) -> None:
    stream = io.StringIO()
    display = Display(stream)
    show_event(display, StageStarted("finetune", "training"))
    show_event(display, training_step(12000, validation_step=12000, validation_loss=10.25))
    show_event(display, training_step(12001, validation_step=12000))
    show_event(display, training_step(12600, validation_step=12600))
    assert lines(stream)[1:] == [
        "  step 12000/21300: validation loss 10.250, the best so far",
        "  step 12600/21300: validation loss 11.500 (best 10.250 at step 12000)",
    ]


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def at_a_terminal(monkeypatch: pytest.MonkeyPatch, **more: str) -> Screen:
    for name, value in {"TERM": "xterm", "COLUMNS": "80", **more}.items():
        monkeypatch.setenv(name, value)
    return Screen()


def test_all_of_a_training_at_80_columns(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = at_a_terminal(monkeypatch, NO_COLOR="1")
    with progress.show(screen) as display:
        show_event(display, StageStarted("finetune", "training the adapter", 45000.0))
        show_event(display, training_step(1))
        show_event(display, training_step(12600, validation_step=12600))
        screen.truncate(0)
        display.bars.refresh()
        shown = re.sub(r"\x1b\[[\d;?]*[A-Za-z]|[\r\0]", "", screen.getvalue())
        display.end()
        screen.truncate(0)
        display.bars.refresh()
        after = screen.getvalue()
    bar, losses, speed = shown.splitlines()
    assert re.search(r"training the adapter .* left  ?12600/21300", bar)
    assert losses.strip() == "loss 12.346, validation 11.500, best 10.250 at step 12000"
    assert speed.strip() == "learning rate 3.64e-04, 123457 tokens/s, peak memory 130.0 GiB"
    assert "learning rate" not in after


@pytest.mark.parametrize("no_color", ["", "1"])
def test_in_a_terminal_one_bar(no_color: str, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = at_a_terminal(monkeypatch, NO_COLOR=no_color)
    with progress.show(screen) as display:
        display.start("fetching", line="not shown where there is a bar")
        display.update(10**8, 10**9, bytes_text("model.safetensors", 10**8, 10**9))
        display.bars.refresh()
        display.say("a word [not markup]")
        display.end("nor this")
    seen = screen.getvalue()
    assert "fetching" in seen and "model.safetensors: 100.0 MB of 1.00 GB" in seen
    assert "a word [not markup]" in seen
    assert "not shown" not in seen and "nor this" not in seen
    assert bool(re.search(r"\x1b\[[\d;]*3\d", seen)) is not bool(no_color)
