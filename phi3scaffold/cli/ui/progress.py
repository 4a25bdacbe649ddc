"""The one progress display: a bar with the time left in a terminal, a line now and then elsewhere.

Whatever takes time is a task of it: a stage, a download, an upload, a batch of prompts, checks.
"""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from phi3scaffold.cli.ui.terminal import can_move, console, has_colour, without_controls
from phi3scaffold.project.formatting import decimal_size, duration

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.progress import Progress, Task, TaskID
    from rich.progress_bar import ProgressBar

EVERY = 10.0  # seconds between two lines of one task where there is no terminal
CERTAIN = 0.01  # share of a task that must be done before the time left can be told
BAR = 12  # columns
# Share of a task after which what was seen of it counts as much as what was forecast.
TRUSTED = 0.05


def count_text(done: int, total: int | None, *details: str) -> str:
    """Return how many are done, with details: ``12/100, loss 0.345``."""
    return ", ".join([f"{done}/{total}" if total else str(done), *details])


def bytes_text(what: str, done: int, total: int) -> str:
    """Return how many bytes of something are done: ``model.onnx: 1.20 GB of 2.00 GB``."""
    return f"{what}: {decimal_size(done)} of {decimal_size(total)}"


class Display:
    """Shows one task at a time, as a line every so many seconds: for a pipe or a log."""

    def __init__(self, stream: TextIO, every: float = EVERY) -> None:
        self._stream, self._every = stream, every
        self._shown = self._began = time.monotonic()
        self._seconds = 0.0
        self._done = self._base = 0.0
        self._total: float | None = None
        self._first: tuple[float, float] | None = None  # when the first step was done, and which

    def start(self, title: str, *, line: str = "", seconds: float = 0.0) -> None:
        """Begin a task of about `seconds`; a bar shows the title, other displays the line.

        The time left of a task without a forecast is that of the steps so far.
        """
        self._shown = self._began = time.monotonic()
        self._seconds, self._done, self._base, self._total = seconds, 0, 0, None
        self._first = None
        if line:
            self.say(line)

    def update(
        self,
        done: float,
        total: float | None,
        text: str,
        *,
        resumed: bool = False,
        details: Sequence[str] = (),
    ) -> None:
        """Say how far the task is, in numbers and in words.

        `details` are lines below a bar, which then has the numbers alone.

        Where `done` falls, the task begins another round. What is `resumed` was done by an earlier
        run, and says nothing about the speed.
        """
        now = time.monotonic()
        if resumed or done < self._done:
            if done < self._done:
                self._seconds = 0.0  # the forecast was of one round
            self._began, self._base, self._first = now, done if resumed else 0, None
        if self._first is None and done > self._base:
            self._first = now, done
        self._done, self._total = done, total
        if now - self._shown >= self._every:
            self._shown = now
            self.say(", ".join(part for part in (f"  {text}", self.time_left()) if part))

    def end(self, line: str = "") -> None:
        """End the task, with a line where there is no bar."""
        if line:
            self.say(line)

    def record(self, line: str) -> None:
        """Print a line, where there is no bar that shows the same."""
        self.say(line)

    def say(self, line: str) -> None:
        """Print a line."""
        print(line, file=self._stream, flush=True)

    def time_left(self) -> str:
        """Return the time left, as ``1 h 10 min left``; "" where it cannot be told yet."""
        passed = time.monotonic() - self._began
        if self._total is not None:
            new, of = self._done - self._base, self._total - self._base
            if self._seconds and self._first is not None:
                left = self._corrected(of)
            elif not new or new < CERTAIN * of:
                return ""
            else:
                left = passed / new * (self._total - self._done)
        elif self._seconds > passed:
            left = self._seconds - passed
        else:
            return ""
        return f"{duration(left)} left"

    def _corrected(self, of: float) -> float:
        """Return the seconds left by the forecast, corrected by the steps behind the first one.

        The first one is slower than the others: libraries prepare themselves.
        """
        assert self._first is not None and self._total is not None
        began, first = self._first
        remaining, seen = self._total - self._done, self._done - first
        forecast = self._seconds * remaining / of
        if not seen:
            return forecast
        weight = seen / (seen + TRUSTED * of)
        return weight * (time.monotonic() - began) / seen * remaining + (1 - weight) * forecast

    def share(self) -> float | None:
        """Return the share that is done; tasks without steps move with the clock, short of 1."""
        if self._total:
            return min(1.0, self._done / self._total)
        if self._seconds:
            return min(0.97, (time.monotonic() - self._began) / self._seconds)
        return None


class Bar(Display):
    """Shows tasks as bars in a terminal; they go when the display ends."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream, math.inf)
        self.details: Sequence[str] = ()
        self.bars = _bars(self, stream)
        self._task: TaskID | None = None

    def start(self, title: str, *, line: str = "", seconds: float = 0.0) -> None:
        super().start(title, seconds=seconds)
        self.end()
        self._task = self.bars.add_task(without_controls(title), total=1, text="")

    def update(
        self,
        done: float,
        total: float | None,
        text: str,
        *,
        resumed: bool = False,
        details: Sequence[str] = (),
    ) -> None:
        super().update(done, total, text, resumed=resumed)
        self.details = details
        if self._task is not None and total is not None and details:
            text = count_text(round(done), round(total))
        if self._task is not None:
            self.bars.update(self._task, text=without_controls(text))

    def record(self, line: str) -> None:
        """Leave it to the bar's details."""

    def end(self, line: str = "") -> None:
        self.details = ()
        if self._task is not None:
            self.bars.update(self._task, completed=1, text="")
            self._task = None

    def say(self, line: str) -> None:
        self.bars.console.print(without_controls(line), markup=False, soft_wrap=True)


def _bars(display: Bar, stream: TextIO) -> Progress:
    """Return rich's bars; how far the running task is comes from the display."""
    from rich.console import Group
    from rich.constrain import Constrain
    from rich.padding import Padding
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
    from rich.progress_bar import ProgressBar
    from rich.table import Column
    from rich.text import Text

    screen = console(stream)  # which knows NO_COLOR

    class Bars(Progress):
        def get_renderable(self) -> Constrain:
            # a ^C that the terminal echoes behind a full line would move it out of reach
            style = "dim" if has_colour(stream) else ""
            below: list[RenderableType] = [
                Padding(Text(line, style), (0, 0, 0, 2)) for line in display.details if line
            ]
            width = screen.width - len("^C") - 1
            return Constrain(Group(super().get_renderable(), *below), width)

    class Share(BarColumn):
        def render(self, task: Task) -> ProgressBar:
            share = 1.0 if task.finished else display.share()
            return ProgressBar(
                total=None if share is None else 1,
                completed=share or 0,
                width=BAR,
                pulse=share is None,
                animation_time=task.get_time(),
            )

    class Time(TextColumn):
        def render(self, task: Task) -> Text:
            passed = duration(task.finished_time or task.elapsed or 0)
            return Text(passed if task.finished else display.time_left() or passed)

    one_line: dict[str, Any] = {"no_wrap": True, "overflow": "ellipsis"}
    return Bars(
        SpinnerColumn(finished_text="[green]+[/]"),
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
        Share(),
        Time("", table_column=Column(no_wrap=True)),
        TextColumn(
            "{task.fields[text]}",
            markup=False,
            style="dim" if has_colour(stream) else "none",
            table_column=Column(ratio=1, **one_line),
        ),
        console=screen,
        expand=True,
        transient=True,
    )


@contextlib.contextmanager
def show(stream: TextIO | None = None, *, quiet: bool = False) -> Iterator[Display]:
    """Give the display for a stream, standard error by default; a quiet one shows no task."""
    stream = stream or sys.stderr
    if quiet or not can_move(stream):
        yield Display(stream, math.inf if quiet else EVERY)
        return
    bar = Bar(stream)
    with bar.bars:
        yield bar
