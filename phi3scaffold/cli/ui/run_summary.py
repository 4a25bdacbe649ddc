"""The summary of a run: a line a stage, the comparison of forms, the gate; on one screen."""

from __future__ import annotations

from typing import Any

from phi3scaffold.cli.ui.comparison_table import comparison_lines, gate_lines
from phi3scaffold.cli.ui.terminal import columns, from_here, print_line
from phi3scaffold.evaluation.metrics import Metrics
from phi3scaffold.evaluation.release import Release
from phi3scaffold.pipeline.events import StageEnded
from phi3scaffold.project.formatting import binary_size, duration
from phi3scaffold.project.settings import DEMONSTRATION, Project
from phi3scaffold.stages.graph import STAGES, has_verdict

STYLES = {
    "  failed ": "red",
    "  unknown ": "yellow",
    "  warning ": "yellow",
    "gate: released": "bold green",
    "gate: not": "bold red",
}


class RunSummary:
    """Collects what the stages reported, and prints it."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.ended: dict[str, StageEnded] = {}

    def take(self, event: StageEnded) -> None:
        """Remember how a stage ended."""
        self.ended[event.stage] = event

    @property
    def is_judged(self) -> bool:
        """Whether a stage whose verdict may be an error has published its result."""
        return has_verdict(self.ended)

    def facts(self, stage: str) -> dict[str, Any]:
        """Return the facts of a stage; none where it did not end."""
        return self.ended[stage].facts if stage in self.ended else {}

    def lines(self) -> list[str]:
        """Return the summary."""
        rows = [
            (
                f"  {event.stage}",
                "up to date" if event.seconds is None else duration(event.seconds),
                binary_size(event.peak_bytes) if event.peak_bytes else "",
                text,
            )
            for event in self.ended.values()
            if (text := describe(event)) is not None
        ]
        peak = "peak RAM" if any(row[2] for row in rows) else ""
        lines = columns([("summary", "time", peak, "result"), *rows]) if rows else []
        if "evaluate" in self.ended:
            lines += comparison_lines(Metrics.from_json(self.facts("evaluate")))
        if "gate" in self.ended:
            lines += gate_lines(Release.from_json(self.facts("gate")))
        page = self.project.report / self.facts("report").get("page", "")
        if page.is_file():
            lines.append(f"report: {from_here(page)}")
        if self.project.is_demonstration:
            lines.append(f"  note: {DEMONSTRATION}")
        return lines

    def print(self) -> None:
        """Print the summary, in colours where the terminal shows them."""
        for line in self.lines():
            print_line(line, next((STYLES[mark] for mark in STYLES if mark in line[:20]), None))


def describe(event: StageEnded) -> str | None:
    """Return the result of a stage in a few words; None where a summary leaves it out."""
    stage = STAGES.get(event.stage)
    return stage.summary(event.facts) if stage else None
