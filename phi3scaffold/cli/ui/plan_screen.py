"""A forecast on one screen: a line a stage, and what it rests on."""

from __future__ import annotations

from phi3scaffold.cli.ui.terminal import columns, print_line
from phi3scaffold.project.formatting import binary_size, count, decimal_size, duration, time_range
from phi3scaffold.search.forecast import Forecast, StageForecast

HEAD = ("plan", "time", "likely", "memory", "disk")
LITTLE = 50e6  # bytes; less memory or disk is not worth a word
SHORT = 1.0  # seconds
SLOWED = 0.2  # share by which others slow a run down that is worth a word


def show(found: Forecast, price: float | None = None) -> None:
    """Print a forecast."""
    for line in lines(found, price):
        print_line(line, "bold" if line.startswith("in all") else None)


def lines(found: Forecast, price: float | None = None) -> list[str]:
    """Return the lines of a forecast, of at most 80 columns."""
    todo = [stage for stage in found.stages if not stage.is_fresh]
    if not todo:
        return ["Everything is up to date: a run takes no time."]
    low, high = found.interval
    table = [
        HEAD,
        *(_row(stage) for stage in found.stages),
        ("in all", duration(found.seconds), time_range(low, high), _size(found.memory, "peak"),
         decimal_size(found.disk)),
    ]  # fmt: skip
    return [*columns(table), *_notes(found, todo, price)]


def _row(stage: StageForecast) -> tuple[str, ...]:
    if stage.is_fresh:
        return f"  {stage.name}", "up to date", "", "", ""
    if stage.seconds < SHORT:
        return f"  {stage.name}", "moments", "", "", ""
    return (
        f"  {stage.name}",
        duration(stage.seconds),
        time_range(stage.low, stage.high),
        _size(stage.memory),
        decimal_size(stage.disk) if stage.disk > LITTLE else "",
    )


def _size(size: int, what: str = "") -> str:
    return f"{binary_size(size)} {what}".rstrip() if size > LITTLE else ""


def _notes(found: Forecast, todo: list[StageForecast], price: float | None) -> list[str]:
    """Return what stands below the table."""
    notes = []
    for stage in todo:
        if stage.steps:
            notes.append(
                f"{stage.name}: {count(stage.steps, 'step')}, {count(round(stage.tokens))} tokens"
            )
    if found.download:
        notes.append(f"download: {decimal_size(found.download)}; its time is not in the plan")
    if price is not None:
        low, high = (seconds / 3600 * price for seconds in found.interval)
        cost = found.seconds / 3600 * price
        notes.append(f"cost: {cost:.2f} ({low:.2f} to {high:.2f}) at {price:g} an hour")
    if found.is_remote:
        notes.append("The job's machine was not measured: its time may be half or twice as long.")
    elif not found.is_measured:
        notes.append("This machine was not measured: `phi3scaffold plan` does that, in seconds.")
    if found.load > SLOWED:
        notes.append(
            f"This machine is busy: the times are {1 + found.load:.1f} times those of a quiet one."
        )
    return notes
