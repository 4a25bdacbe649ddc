"""What a run looks like: a bar with time left in a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from phi3scaffold.cli.ui.comparison_table import gate, ladder
from phi3scaffold.cli.ui.units import binary, decimal, from_here
from phi3scaffold.project.settings import DEMONSTRATION, Project
from phi3scaffold.stages.graph import STAGES

Emit = Callable[[dict[str, Any]], None]
SOON = 2.0  # seconds; what is over sooner needs no forecast
COUNTED = ("step", "bytes")  # events that say how far a stage is
STYLES = {
    "  broken ": "red",
    "  unknown ": "yellow",
    "  warning ": "yellow",
    "gate: released": "bold green",
    "gate: not": "bold red",
}
PLAIN_EVERY = 10.0  # seconds between two lines of one stage where there is no terminal


@contextlib.contextmanager
def show_progress(project: Project, *, summary: bool = True) -> Iterator[Emit]:
    """A sink for the pipeline's events.

    The summary is printed when the block ends well, and when a stage's verdict is what ended it.
    """
    told = Summary(project)
    if sys.stdout.isatty():
        shown: Any = _terminal(told)
    else:
        shown = _plain(told)
    ended = False
    try:
        with shown as emit:
            yield emit
        ended = True
    finally:
        if summary and (ended or told.is_judged):
            told.print()


@contextlib.contextmanager
def silent() -> Iterator[Emit]:
    """For ranks that are not the first."""
    yield lambda event: None


@contextlib.contextmanager
def show_count(
    title: str, total: int | None, *, quiet: bool
) -> Iterator[tuple[Callable[[int], None], Callable[[str], None]]]:
    """How many of `total` are done, on stderr: a function that counts, one that tells a line.

    Args:
        title: what is being done, in a terminal.
        total: None where nobody knows.
        quiet: lines are told, nothing else is shown.
    """
    if quiet or not sys.stderr.isatty():
        with _plain_count(total, quiet) as tick:
            yield tick, lambda line: print(line, file=sys.stderr, flush=True)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True, highlight=False),
        transient=True,
    )
    with bar:
        task = bar.add_task(title, total=total)
        yield (
            lambda more: bar.advance(task, more),
            lambda line: bar.console.print(line, markup=False, soft_wrap=True),
        )


@contextlib.contextmanager
def _plain_count(total: int | None, quiet: bool) -> Iterator[Callable[[int], None]]:
    began = told = time.monotonic()
    done = 0

    def tick(more: int) -> None:
        nonlocal done, told
        done += more
        now = time.monotonic()
        if not quiet and now - told >= PLAIN_EVERY:
            told = now
            left = _left({"kind": "step", "step": done, "of": total or 0}, now - began)
            print(f"  {done}{f'/{total}' if total else ''}{left}", file=sys.stderr, flush=True)

    yield tick


@contextlib.contextmanager
def show_bytes(title: str, total: int) -> Iterator[Callable[[str, int], None]]:
    """How many bytes of `total` are done, on stderr: a function that takes what is done, and them.

    Args:
        title: what is being done.
        total: of everything.
    """
    if not sys.stderr.isatty():
        yield _plain_bytes(title, total)
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.table import Column

    bar = Progress(
        TextColumn("{task.description}", table_column=Column(no_wrap=True, ratio=1)),
        BarColumn(bar_width=16),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True, highlight=False),
        expand=True,
        transient=True,
    )
    with bar:
        task = bar.add_task(title, total=total)

        def show(what: str, done: int) -> None:
            bar.update(task, completed=done, description=escape(what))

        yield show


def _plain_bytes(title: str, total: int) -> Callable[[str, int], None]:
    began = told = time.monotonic()

    def show(what: str, done: int) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told >= PLAIN_EVERY:
            told = now
            event = {"kind": "bytes", "what": what, "done": done, "of": total}
            left = _left(event, now - began)
            line = f"  {title} {what}: {decimal(done)} of {decimal(total)}{left}"
            print(line, file=sys.stderr, flush=True)

    return show


class Summary:
    """Collects what the stages reported, and prints it on one screen."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.facts: dict[str, dict[str, Any]] = {}
        self.seconds: dict[str, float | None] = {}
        self.peak: dict[str, int] = {}

    def take(self, event: dict[str, Any]) -> None:
        if event["kind"] == "stage" and event["state"] in ("done", "fresh"):
            name = event["stage"]
            self.facts[name] = event.get("facts") or {}
            self.seconds[name] = event.get("seconds")
            self.peak[name] = event.get("peak_bytes", 0)

    @property
    def is_judged(self) -> bool:
        """Whether a stage whose verdict may be an error has published its result."""
        return any(name in STAGES and STAGES[name].judge for name in self.facts)

    def lines(self) -> list[str]:
        lines = []
        for name, seconds in self.seconds.items():
            text = describe(name, self.facts[name])
            if text is None:
                continue
            took = "up to date" if seconds is None else f"{seconds:.1f} s"
            if self.peak[name]:
                took += f", {binary(self.peak[name])} at most"
            lines.append(f"  {name:<11} {took:<24} {text}".rstrip())
        lines += ladder(self.facts.get("evaluate", {}))
        lines += gate(self.facts.get("gate", {}))
        page = self.project.report / self.facts.get("report", {}).get("page", "")
        if page.is_file():
            lines.append(f"report: {from_here(page)}")
        if self.project.is_demonstration:
            lines.append(f"  note: {DEMONSTRATION}")
        return lines

    def print(self) -> None:
        lines = [*(["summary"] if self.seconds else []), *self.lines()]
        if not sys.stdout.isatty():
            print("\n".join(lines))
            return
        from rich.console import Console

        console = Console(highlight=False)  # which knows NO_COLOR
        for line in lines:
            style = next((style for mark, style in STYLES.items() if mark in line[:20]), None)
            console.print(line, style=style, markup=False, soft_wrap=True)


def describe(name: str, facts: dict[str, Any]) -> str | None:
    """Return what came of a stage in a few words; None where a summary leaves it out."""
    stage = STAGES.get(name)
    return stage.summary(facts) if stage else None


@contextlib.contextmanager
def _terminal(summary: Summary) -> Iterator[Emit]:
    from rich.progress import (
        BarColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    progress = Progress(
        SpinnerColumn(finished_text="[green]+[/]"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[told]}", style="dim"),
        transient=True,  # the summary tells the same, and stays
    )
    tasks: dict[str, Any] = {}
    current: list[str] = []
    clocks: dict[Any, float] = {}

    def emit(event: dict[str, Any]) -> None:
        summary.take(event)
        if event["kind"] == "stage":
            name = event["stage"]
            if event["state"] == "start":
                current[:] = [name]
                total = event["about"] if event["about"] > SOON else None
                tasks[name] = progress.add_task(event["title"], total=total, told="")
                if total:
                    told = f"about {total:.0f} s"
                    progress.update(tasks[name], told=told)
                    clocks[tasks[name]] = time.monotonic()
            elif event["state"] == "done":
                clocks.clear()
                task = progress.tasks[progress.task_ids.index(tasks[name])]
                total = task.total or 1
                progress.update(tasks[name], total=total, completed=total, told="")
        elif event["kind"] == "note":
            progress.console.print(f"{event['stage']}: {event['text']}", markup=False)
        elif event["kind"] in COUNTED and current:
            progress.update(
                tasks[current[0]], total=event["of"], completed=_done(event), told=_told(event)
            )

    ended = threading.Event()

    def tick() -> None:
        """Stages that count no steps move with the clock, and stop short of the end."""
        while not ended.wait(0.5):
            for task, began in list(clocks.items()):
                total = progress.tasks[progress.task_ids.index(task)].total or 0
                progress.update(task, completed=min(time.monotonic() - began, 0.97 * total))

    with progress:
        threading.Thread(target=tick, daemon=True).start()
        try:
            yield emit
        finally:
            ended.set()


@contextlib.contextmanager
def _plain(summary: Summary) -> Iterator[Emit]:
    last = [0.0, 0.0]  # when the stage began, when a line was printed

    def emit(event: dict[str, Any]) -> None:
        summary.take(event)
        now = time.monotonic()
        if event["kind"] == "stage":
            if event["state"] == "start":
                last[:] = [now, now]
                about = f" (about {event['about']:.0f} s)" if event["about"] > SOON else ""
                print(f"{event['stage']}: {event['title']}{about}", flush=True)
            elif event["state"] == "fresh":
                print(f"{event['stage']}: up to date", flush=True)
            else:
                text = describe(event["stage"], event.get("facts") or {})
                line = f"{event['stage']}: done in {event['seconds']:.1f} s  {text or ''}"
                print(line.rstrip(), flush=True)
        elif event["kind"] == "note":
            print(f"{event['stage']}: {event['text']}", flush=True)
        elif event["kind"] in COUNTED and now - last[1] >= PLAIN_EVERY:
            last[1] = now
            print(f"  {_told(event)}{_left(event, now - last[0])}", flush=True)

    yield emit


def _done(event: dict[str, Any]) -> int:
    return int(event["done"] if event["kind"] == "bytes" else event["step"])


def _left(event: dict[str, Any], seconds: float) -> str:
    """The time left, once enough is done to say."""
    done, of = _done(event), event["of"]
    if not of or done < 0.01 * of:
        return ""
    return f", about {seconds / done * (of - done):.0f} s left"


def _told(event: dict[str, Any]) -> str:
    if event["kind"] == "bytes":
        return f"{event['what']}: {binary(event['done'])} of {binary(event['of'])}"
    if event.get("told"):  # its steps are only shares of the time
        return str(event["told"])
    parts = [f"{event['step']}/{event['of']}"]
    if event.get("form"):
        parts.append(str(event["form"]))
    if event.get("loss") is not None:
        parts.append(f"loss {event['loss']:.3f}")
    if event.get("tokens_per_second"):
        parts.append(f"{event['tokens_per_second']:.0f} tokens/s")
    return ", ".join(parts)
