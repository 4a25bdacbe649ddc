"""What a run of stages looks like while it goes on, and the summary at its end."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from phi3scaffold.cli.ui import progress
from phi3scaffold.cli.ui.progress import Display, bytes_text, count_text
from phi3scaffold.cli.ui.terminal import columns, print_line
from phi3scaffold.pipeline.events import Bytes, Emit, Event, Note, StageEnded, StageStarted, Step
from phi3scaffold.project.formatting import binary_size, duration, rate
from phi3scaffold.project.settings import DEMONSTRATION, Project
from phi3scaffold.stages.graph import STAGES, has_verdict

if TYPE_CHECKING:
    from phi3scaffold.search.forecast import Forecast

SOON = 2.0  # seconds; what is over sooner needs no forecast
STYLES = {
    "  failed ": "red",
    "  unknown ": "yellow",
    "  warning ": "yellow",
    "gate: released": "bold green",
    "gate: not": "bold red",
}


@contextlib.contextmanager
def show_progress(
    project: Project, *, summary: bool = True, forecast: Forecast | None = None
) -> Iterator[Emit]:
    """Give a sink for the pipeline's events; the times left begin with the forecast.

    The summary is printed when the block ends well, and when a stage's verdict is what ended it.
    """
    stages: dict[str, StageEnded] = {}
    ended = False
    try:
        with progress.show(sys.stdout) as display:

            def emit(event: Event) -> None:
                if isinstance(event, StageEnded):
                    stages[event.stage] = event
                if isinstance(event, StageStarted) and forecast:
                    line = forecast.of(event.stage)
                    if line:  # how long a download takes only its bytes say
                        event = replace(event, about=0.0 if line.download else line.seconds)
                show_event(display, event)

            yield emit
        ended = True
    finally:
        if summary and (ended or has_verdict(stages)):
            for line in _summary(project, stages.values()):
                print_line(line, next((STYLES[mark] for mark in STYLES if mark in line[:20]), None))


def _summary(project: Project, stages: Collection[StageEnded]) -> list[str]:
    """Return a line a stage, and what stages have to say below: the comparison, the gate."""
    rows = [
        (
            f"  {event.stage}",
            "up to date" if event.seconds is None else duration(event.seconds),
            binary_size(event.peak_bytes) if event.peak_bytes else "",
            text,
        )
        for event in stages
        if (text := _result(event)) is not None
    ]
    peak = "peak RAM" if any(row[2] for row in rows) else ""
    lines = columns([("summary", "time", peak, "result"), *rows]) if rows else []
    for event in stages:
        if event.stage in STAGES:
            lines += STAGES[event.stage].details(project, event.facts)
    if project.is_demonstration:
        lines.append(f"  note: {DEMONSTRATION}")
    return lines


def _result(event: StageEnded) -> str | None:
    """Return the result of a stage in a few words; None where a summary leaves it out."""
    stage = STAGES.get(event.stage)
    return stage.summary(event.facts) if stage else None


def show_event(display: Display, event: Event) -> None:
    if isinstance(event, StageStarted):
        seconds = event.about if event.about > SOON else 0.0
        about = f" (about {duration(seconds)})" if seconds else ""
        line = f"{event.stage}: {event.title}{about}"
        display.start(event.title, line=line, seconds=seconds)
    elif isinstance(event, StageEnded):
        display.end(_end_text(event))
    elif isinstance(event, Note):
        display.say(f"{event.stage}: {event.text}")
    elif isinstance(event, Bytes):
        display.update(event.done, event.of, bytes_text(event.what, event.done, event.of))
    elif isinstance(event, Step):
        text = event.phase or _step_text(event)
        display.update(event.step, event.of, text, details=_step_details(event))
        if event.validation_step == event.step:
            display.record(f"  {_validation_text(event)}")


def _end_text(event: StageEnded) -> str:
    if event.seconds is None:
        return f"{event.stage}: up to date"
    text = _result(event) or ""
    return f"{event.stage}: done in {duration(event.seconds)}  {text}".rstrip()


def _step_text(event: Step) -> str:
    details = [event.form] if event.form else []
    if event.loss is not None:
        details.append(f"loss {event.loss:.3f}")
    if event.tokens_per_second:
        details.append(f"{rate(event.tokens_per_second)} tokens/s")
    return count_text(event.step, event.of, *details)


def _step_details(event: Step) -> list[str]:
    """Return the lines below the bar of a training; none of anything else."""
    if event.peak_bytes is None:
        return []
    losses = [] if event.loss is None else [f"loss {event.loss:.3f}"]
    if event.validation_loss is not None:
        losses.append(f"validation {event.validation_loss:.3f}")
    if event.best_loss is not None:
        losses.append(f"best {event.best_loss:.3f} at step {event.best_step}")
    speed = []
    if event.learning_rate is not None:
        speed.append(f"learning rate {event.learning_rate:.2e}")
    if event.tokens_per_second:
        speed.append(f"{rate(event.tokens_per_second)} tokens/s")
    speed.append(f"peak memory {binary_size(event.peak_bytes)}")
    return [", ".join(losses), ", ".join(speed)]


def _validation_text(event: Step) -> str:
    text = f"step {count_text(event.step, event.of)}: validation loss {event.validation_loss:.3f}"
    if event.best_step == event.step:
        return f"{text}, the best so far"
    return f"{text} (best {event.best_loss:.3f} at step {event.best_step})"
