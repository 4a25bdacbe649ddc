"""How doctor and lint print what they found: what is wrong first of all, on one screen."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from phi3scaffold.checks.verdict import Verdict

WIDTH = 80  # of a line of IDs
SHOWN = 5  # of one check; the rest is counted
STYLES = {"error": "bold red", "warning": "yellow", "note": "cyan", "ok": "green"}


def show(
    verb: str,
    verdicts: Sequence[Verdict],
    *,
    everything: bool,
    more: Sequence[str] = (),
    grouped: bool = False,
) -> None:
    """Print what is wrong, then one line that counts.

    Args:
        verb: doctor or lint.
        everything: what is well and what was skipped, too, and no limit to a check's lines.
        more: what the last line ends with.
        grouped: name what is well, and what was skipped, on a few lines.
    """
    from rich.console import Console

    console = Console(highlight=False)  # which knows NO_COLOR

    def say(line: str, style: str | None = None) -> None:
        console.print(line, style=style, markup=False, soft_wrap=True)

    told: Counter[str] = Counter()
    for verdict in verdicts:
        if everything or verdict.state not in ("ok", "skipped"):
            told[verdict.id] += 1
            if everything or told[verdict.id] <= SHOWN:
                _one(say, verdict)
    for identity, count in told.items():
        if count > SHOWN and not everything:
            say(f"{identity}: {count - SHOWN} more (--all)")
    if grouped and not everything:
        for state, line in _groups(verdicts):
            say(line, STYLES.get(state, "dim"))
    say(f"{verb}: {', '.join([*_counts(verdicts), *more])}")


def _one(say: Any, verdict: Verdict) -> None:
    """One to three lines: state, ID and place; what; the remedy."""
    style = STYLES.get(verdict.state, "dim")
    if verdict.state in ("ok", "skipped"):
        say(f"{verdict.state:<8}{verdict.id}: {verdict.what}", style)
        return
    place = f"  {verdict.where}" if verdict.where else ""
    say(f"{verdict.state:<8}{verdict.id}{place}", style)
    say(f"        {verdict.what}")
    if verdict.fix:
        say(f"        fix: {verdict.fix}")


def _groups(verdicts: Sequence[Verdict]) -> Iterator[tuple[str, str]]:
    """(state, line) for the IDs of what is well, and of what was skipped for the same reason."""
    bad = {verdict.id for verdict in verdicts if verdict.state not in ("ok", "skipped")}
    groups: dict[tuple[str, str], dict[str, None]] = {}
    for verdict in verdicts:
        if verdict.state in ("ok", "skipped") and verdict.id not in bad:
            why = "" if verdict.state == "ok" else f" ({verdict.what})"
            groups.setdefault((verdict.state, why), {})[verdict.id] = None
    for (state, why), names in groups.items():
        text = " ".join(names) + why
        lines = textwrap.wrap(text, WIDTH - 8, break_on_hyphens=False)
        for number, line in enumerate(lines):
            yield state, f"{'' if number else state:<8}{line}"


def _counts(verdicts: Sequence[Verdict]) -> list[str]:
    states = Counter[str](verdict.state for verdict in verdicts)
    names = {"error": "errors", "warning": "warnings", "note": "notes"}
    found = [
        f"{states[one]} {one if states[one] == 1 else many}"
        for one, many in names.items()
        if states[one]
    ]
    for state, words in (("ok", "ok"), ("skipped", "skipped")):
        if states[state]:
            found.append(f"{states[state]} {words}")
    return found or ["nothing to look at"]
