"""The report of the rows on one screen: counts, labels, lengths, findings and samples."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from rich.table import Table
from rich.text import Text

from phi3scaffold.cli.ui.terminal import console
from phi3scaffold.datasets.findings import (
    DataFinding,
    Example,
    findings,
    fit,
    not_found,
    trained_of,
)
from phi3scaffold.datasets.question_findings import not_checked
from phi3scaffold.datasets.set_findings import complete
from phi3scaffold.project.formatting import binary_size, count, cut, from_here, share, visible
from phi3scaffold.project.training_plan import TrainingPlan

SIDES = {"train": "to train", "validation": "to validate", "held_out": "held out"}
WIDTH = 100  # columns where there is no terminal
NAME = 18  # columns of the names on the left
MOST_FILES = 3
MOST_LABELS = 6
MOST_PLACES = 3
MESSAGE_LINES = 7  # of a finding's sentence, at most
FEW = 3  # findings whose examples may take two lines
BAR = 24  # columns of the longest bar
HEIGHT = 3  # lines of the histogram
BIN = 2  # columns of one of its bars
SAMPLE_LINES = 3
DIFFERENCE = 8  # columns of a difference that are shown at least
TRAINED = "bold green underline"
# Around tokens that contribute to the loss, where there are no colours: the first pair that
# no sample holds.
MARKS = (("[[", "]]"), ("{{", "}}"), ("<<<", ">>>"), ("[[trained:", ":trained]]"))


def show(
    report: dict[str, Any], folder: Path, note: str = "", plan: TrainingPlan | None = None
) -> None:
    """Print the report.json of a folder; `plan` is how long training will run."""
    report = complete(report)
    glyphs = UNICODE
    if not (sys.stdout.encoding or "utf").lower().startswith("utf"):
        glyphs = ASCII
        sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    screen = console(markup=False)
    if not screen.is_terminal:
        screen.width = WIDTH
    styled = screen.color_system is not None
    lines = DataScreen(report, screen.width - NAME, glyphs, styled, plan)
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=NAME - 1, no_wrap=True)
    grid.add_column(overflow="fold")
    for name, body in lines.lines(folder, note):
        style = "bold yellow" if name.startswith("!") else "bold"
        grid.add_row(Text(name, style), body if isinstance(body, Text) else Text(body))
    if screen.is_terminal:
        screen.print(grid)
        return
    with screen.capture() as printed:
        screen.print(grid)
    print("\n".join(line.rstrip() for line in printed.get().splitlines()))


class Glyphs(NamedTuple):
    """The characters of a screen: `levels` from an empty to a full line, a line break, a cut."""

    levels: str
    newline: str
    cut: str


UNICODE = Glyphs(" ▁▂▃▄▅▆▇█", "↵", "…")
ASCII = Glyphs(" ....####", "\\n", "...")


class DataScreen:
    """A report.json in lines of (name, text) for one screen; a styled one can underline."""

    def __init__(
        self,
        report: dict[str, Any],
        width: int,
        glyphs: Glyphs,
        styled: bool,
        plan: TrainingPlan | None = None,
    ) -> None:
        self.report, self.width, self.glyphs, self.styled = report, width, glyphs, styled
        self.plan = plan

    def lines(self, folder: Path, note: str) -> Iterator[tuple[str, str | Text]]:
        yield from _named("rows", self.rows())
        turns = self.report.get("turns") or self.report["form"]  # as it was called before 0.3.0
        yield "task", self.text(f"{self.report['task']}: {turns}", 2 * self.width)
        yield from _named("labels", self.labels())
        yield from _named("tokens", self.tokens())
        every = findings(self.report, self.plan)
        room = self.width * (2 if len(every) <= FEW else 1)
        for finding in every:
            yield from _named(
                ("! " if finding.warn else "") + finding.name, self.finding(finding, room)
            )
        if clean := not_found(self.report):
            yield "not found", clean
        yield "not checked", not_checked(self.report)
        yield from self.samples()
        beside = "report.json" + (" and dropped.jsonl" if self.report["rows"]["dropped"] else "")
        yield "more", f"{from_here(folder / 'report.html')}; beside it {beside}"
        if note:
            yield "note", note

    @property
    def sides(self) -> list[tuple[str, str]]:
        """The sets that have rows, each with its name."""
        return [(side, named) for side, named in SIDES.items() if self.report["rows"][side]]

    def text(self, text: str, most: int) -> str:
        """Return a user's text on one line of at most `most` columns, cut if need be."""
        line = visible(text.strip(), lines=True).replace("\n", self.glyphs.newline)
        return cut(line.replace("\t", " "), most, self.glyphs.cut)

    def rows(self) -> Iterator[str]:
        rows, files = self.report["rows"], self.report["files"]
        counts = ", ".join(f"{count(rows[side])} {named}" for side, named in self.sides)
        if rows["dropped"]:
            counts += f"; {count(rows['dropped'])} of {count(rows['read'])} left out"
        yield counts
        named = [
            f"{file['name']} ({count(file['rows'], 'row')}, {binary_size(file['bytes'])})"
            for file in files[:MOST_FILES]
        ]
        if files[MOST_FILES:]:
            named.append(f"{count(len(files) - MOST_FILES, 'more file')}")
        yield self.text(", ".join(named), 2 * self.width)

    def labels(self) -> Iterator[Text]:
        """Yield a bar for each of the most frequent labels, and a line about the others."""
        if not self.report["labels"]:
            return
        train = self.report["labels"]["train"]
        ranked = sorted(train.items(), key=lambda label: (-label[1], label[0]))
        most, of = ranked[0][1], sum(train.values())
        shown = [(self.text(name, 20), name, rows) for name, rows in ranked[:MOST_LABELS]]
        for short, name, rows in shown:
            line = Text(short)
            line.pad_right(max(Text(s).cell_len for s, _, _ in shown) - line.cell_len + 2)
            line.append(self.glyphs.levels[-1] * max(1, round(BAR * rows / most)), "cyan")
            line.append(f" {count(rows)} ({share(rows, of)})")
            for side, named in self.sides[1:]:
                if rows := self.report["labels"][side].get(name):
                    line.append(f", {count(rows)} {named}", "dim")
            yield line
        if ranked[MOST_LABELS:]:
            others = count(len(ranked) - MOST_LABELS, "more label")
            yield Text(f"{others}, the rarest with {count(ranked[-1][1], 'row')}")

    def tokens(self) -> Iterator[str | Text]:
        tokens = self.report["tokens"]
        for side, named in self.sides:
            lengths = tokens[side]
            line = (
                f"{named}: median {count(lengths['median'])}, 95% up to {count(lengths['p95'])}, "
                f"longest {count(lengths['longest'])}"
            )
            yield line + (f" (limit {count(tokens['limit'])})" if side == "train" else "")
        train = tokens["train"]
        yield (
            f"{count(train['all'])} per epoch, {count(train['trained'])} contribute to the loss "
            f"({share(train['trained'], train['all'])})"
        )
        yield from self.histogram(tokens["histogram"])

    def histogram(self, drawn: dict[str, list[int]]) -> Iterator[Text]:
        rows = [sum(every) for every in zip(*(drawn[side] for side in SIDES), strict=True)]
        while rows and not rows[-1]:
            rows.pop()
        if len(rows) < 2:
            return
        levels = self.glyphs.levels
        full = len(levels) - 1
        steps = [max(1, round(HEIGHT * full * n / max(rows))) if n else 0 for n in rows]
        for line in reversed(range(HEIGHT)):
            parts = (levels[max(0, min(full, step - line * full))] * BIN for step in steps)
            yield Text("".join(parts).rstrip(), "cyan")
        last = count(drawn["edges"][len(rows)])
        axis = "0" + last.rjust(BIN * len(rows) - 1)
        legend = f"{axis} tokens; tallest bar: {count(max(rows), 'row')}"
        for line_of_legend in [legend] if len(legend) <= self.width else legend.split("; "):
            yield Text(line_of_legend, "dim")

    def finding(self, finding: DataFinding, room: int) -> Iterator[str]:
        """Yield a finding, each row of its first example in `room` columns."""
        yield self.text(finding.message, MESSAGE_LINES * self.width)
        for what, rows, places in finding.counts:
            shown = [f"{what}: {count(rows, 'row')}", *places[:MOST_PLACES]]
            more = places and rows > MOST_PLACES
            yield self.text(", ".join([*shown, self.glyphs.cut] if more else shown), self.width)
        for example in finding.examples[:1]:
            yield from self.example(example, room)

    def example(self, shown: Example, room: int) -> Iterator[str]:
        """Yield the places of rows and their common text, or two rows with a text each."""
        if shown.text is None:
            same = _same_letters(*(text or "" for _, text in shown.sides[:2]))
            longest = max(len(place) for place, _ in shown.sides[:2])
            hidden = longest + same + DIFFERENCE > room  # where they differ is to be seen
            begin = max(0, same - room // 3) if hidden else 0
            for place, text in shown.sides[:2]:
                part = f"{self.glyphs.cut} {(text or '')[begin:]}" if begin else text
                yield self.text(f"{place}: {part}", room)
            return
        heads = [
            place if text is None else f"{place} {self.text(text, 24)}"
            for place, text in shown.sides[:MOST_PLACES]
        ]
        yield self.text(f"{', '.join(heads)}: {shown.text}", room)

    def samples(self) -> Iterator[tuple[str, str | Text]]:
        """Yield the rendered rows, with the tokens of the loss in colour or between marks."""

        samples = self.report["samples"]
        whole = "".join(text for shown in samples for text, _ in shown["tokens"])
        free = [pair for pair in MARKS if not any(mark in whole for mark in pair)] or MARKS[-1:]
        begin, end = ("", "") if self.styled else free[0]
        legend = Text("as the model reads them; ")
        legend.append(f"{begin}marked{end}", TRAINED)
        legend.append(f" tokens contribute to the loss, {self.glyphs.newline} is a line break")
        yield "samples", legend
        for shown in samples:
            where = self.text(shown["place"], self.width // 2)
            body = Text()
            body.append(f"{where} ({trained_of(shown['tokens'])}): ", "dim")
            for text, trained in fit(shown["tokens"], SAMPLE_LINES * self.width - len(body)):
                run = self.run(text)
                body.append(f"{begin}{run}{end}" if trained else run, TRAINED if trained else "")
            yield "", body

    def run(self, text: str) -> str:
        """Return a run of tokens as one line."""
        line = visible(text, lines=True).replace("\t", " ").replace(" … ", f" {self.glyphs.cut} ")
        return line.replace("\n", self.glyphs.newline)


def _named(name: str, lines: Iterable[str | Text]) -> Iterator[tuple[str, str | Text]]:
    """Yield the lines with the name before the first one only."""
    for number, line in enumerate(lines):
        yield ("" if number else name), line


def _same_letters(one: str, other: str = "") -> int:
    """Return how many letters two texts begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))
