"""The summary of a run: a line a stage, the comparison of forms, the gate; on one screen."""

from __future__ import annotations

import sys
from typing import Any

from phi3scaffold.cli.ui.comparison_table import gate, ladder
from phi3scaffold.cli.ui.terminal import from_here
from phi3scaffold.pipeline.events import StageEnded
from phi3scaffold.project.formatting import binary_size, duration
from phi3scaffold.project.settings import DEMONSTRATION, Project
from phi3scaffold.stages.graph import STAGES

STYLES = {
    "  broken ": "red",
    "  unknown ": "yellow",
    "  warning ": "yellow",
    "gate: released": "bold green",
    "gate: not": "bold red",
}


class RunSummary:
    """Collects what the stages reported, and prints it."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.facts: dict[str, dict[str, Any]] = {}
        self.seconds: dict[str, float | None] = {}
        self.peak: dict[str, int] = {}

    def take(self, event: StageEnded) -> None:
        """Remember how a stage ended."""
        self.facts[event.stage] = event.facts
        self.seconds[event.stage] = event.seconds
        self.peak[event.stage] = event.peak_bytes

    @property
    def is_judged(self) -> bool:
        """Whether a stage whose verdict may be an error has published its result."""
        return any(name in STAGES and STAGES[name].judge for name in self.facts)

    def lines(self) -> list[str]:
        """Return the summary."""
        lines = []
        for name, seconds in self.seconds.items():
            text = describe(name, self.facts[name])
            if text is None:
                continue
            took = "up to date" if seconds is None else duration(seconds)
            if self.peak[name]:
                took += f", peak memory {binary_size(self.peak[name])}"
            lines.append(f"  {name:<11} {took:<31} {text}".rstrip())
        lines += ladder(self.facts.get("evaluate", {}))
        lines += gate(self.facts.get("gate", {}))
        page = self.project.report / self.facts.get("report", {}).get("page", "")
        if page.is_file():
            lines.append(f"report: {from_here(page)}")
        if self.project.is_demonstration:
            lines.append(f"  note: {DEMONSTRATION}")
        return lines

    def print(self) -> None:
        """Print the summary, in colours where the terminal shows them."""
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
