"""What a run of stages looks like while it goes on, and the summary at its end."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from phi3scaffold.cli.ui import progress
from phi3scaffold.cli.ui.progress import Display, bytes_text, count_text
from phi3scaffold.cli.ui.run_summary import RunSummary, describe
from phi3scaffold.pipeline.events import (
    Bytes,
    Emit,
    Event,
    Note,
    StageEnded,
    StageStarted,
    Step,
    ignore,
)
from phi3scaffold.project.formatting import duration, rate
from phi3scaffold.project.settings import Project

SOON = 2.0  # seconds; what is over sooner needs no forecast


@contextlib.contextmanager
def show_progress(project: Project, *, summary: bool = True) -> Iterator[Emit]:
    """Give a sink for the pipeline's events.

    The summary is printed when the block ends well, and when a stage's verdict is what ended it.
    """
    results = RunSummary(project)
    ended = False
    try:
        with progress.show(sys.stdout) as display:

            def emit(event: Event) -> None:
                if isinstance(event, StageEnded):
                    results.take(event)
                show_event(display, event)

            yield emit
        ended = True
    finally:
        if summary and (ended or results.is_judged):
            results.print()


@contextlib.contextmanager
def silent() -> Iterator[Emit]:
    """Give a sink for ranks that are not the first."""
    yield ignore


def show_event(display: Display, event: Event) -> None:
    """Show one event."""
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
        display.update(event.step, event.of, event.phase or _step_text(event))


def _end_text(event: StageEnded) -> str:
    if event.seconds is None:
        return f"{event.stage}: up to date"
    text = describe(event) or ""
    return f"{event.stage}: done in {duration(event.seconds)}  {text}".rstrip()


def _step_text(event: Step) -> str:
    details = [event.form] if event.form else []
    if event.loss is not None:
        details.append(f"loss {event.loss:.3f}")
    if event.tokens_per_second:
        details.append(f"{rate(event.tokens_per_second)} tokens/s")
    return count_text(event.step, event.of, *details)
