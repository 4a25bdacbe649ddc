"""How doctor and lint print what they found: what is wrong first of all, on one screen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from phi3scaffold.checks.verdict import Verdict

SHOWN = 5  # of one check; the rest is counted
STYLES = {"error": "bold red", "warning": "yellow", "note": "cyan", "ok": "green"}


def show(
    verb: str, verdicts: Sequence[Verdict], *, everything: bool, more: Sequence[str] = ()
) -> None:
    """Print what is wrong, then one line that counts.

    Args:
        verb: doctor or lint.
        everything: what is well and what was skipped, too, and no limit to a check's lines.
        more: what the last line ends with.
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
