"""What a run of stages looks like while it goes on, and the summary at its end."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

from phi3scaffold.cli.ui import progress
from phi3scaffold.cli.ui.progress import Display, bytes_text, count_text
from phi3scaffold.cli.ui.run_summary import RunSummary, describe
from phi3scaffold.project.formatting import duration
from phi3scaffold.project.settings import Project

Emit = Callable[[dict[str, Any]], None]
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

            def emit(event: dict[str, Any]) -> None:
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
    yield lambda event: None


def show_event(display: Display, event: dict[str, Any]) -> None:
    """Show one event."""
    if event["kind"] == "stage":
        _show_stage(display, event)
    elif event["kind"] == "note":
        display.say(f"{event['stage']}: {event['text']}")
    elif event["kind"] == "bytes":
        text = bytes_text(event["what"], event["done"], event["of"])
        display.update(event["done"], event["of"], text)
    elif event["kind"] == "step":
        display.update(event["step"], event["of"], event.get("told") or _step_text(event))


def _show_stage(display: Display, event: dict[str, Any]) -> None:
    name = event["stage"]
    if event["state"] == "start":
        seconds = event["about"] if event["about"] > SOON else 0.0
        about = f" (about {duration(seconds)})" if seconds else ""
        display.start(event["title"], line=f"{name}: {event['title']}{about}", seconds=seconds)
    elif event["state"] == "fresh":
        display.end(f"{name}: up to date")
    else:
        text = describe(name, event.get("facts") or {})
        display.end(f"{name}: done in {duration(event['seconds'])}  {text or ''}".rstrip())


def _step_text(event: dict[str, Any]) -> str:
    details = [str(event["form"])] if event.get("form") else []
    if event.get("loss") is not None:
        details.append(f"loss {event['loss']:.3f}")
    if event.get("tokens_per_second"):
        details.append(f"{event['tokens_per_second']:.0f} tokens/s")
    return count_text(event["step"], event["of"], *details)
