"""How doctor and lint print their findings: problems first, on one screen."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence

from phi3scaffold.cli.ui.terminal import print_line
from phi3scaffold.project.findings import Finding
from phi3scaffold.project.formatting import count

WIDTH = 80  # of a line of IDs
SHOWN = 5  # of one check; the rest is counted
STYLES = {"error": "bold red", "warning": "yellow", "note": "cyan", "ok": "green"}


def show(
    verb: str,
    findings: Sequence[Finding],
    *,
    everything: bool,
    more: Sequence[str] = (),
    grouped: bool = False,
) -> None:
    """Print the problems, then one line that counts.

    Args:
        everything: print passing and skipped checks, too, and no limit to a check's lines.
        more: what the last line ends with.
        grouped: name passing and skipped checks on a few lines.
    """
    printed: Counter[str] = Counter()
    for finding in findings:
        if everything or finding.state not in ("ok", "skipped"):
            printed[finding.id] += 1
            if everything or printed[finding.id] <= SHOWN:
                _print(finding, first=printed[finding.id] == 1)
    for identity, number in printed.items():
        if number > SHOWN and not everything:
            print_line(f"{identity}: {number - SHOWN} more (--all)")
    if grouped and not everything:
        for state, line in _groups(findings):
            print_line(line, STYLES.get(state, "dim"))
    print_line(f"{verb}: {', '.join([*_counts(findings), *more])}")


def _print(finding: Finding, *, first: bool) -> None:
    """Print state, ID and place; what; the fix; of the first of a check its documentation."""
    style = STYLES.get(finding.state, "dim")
    if finding.state in ("ok", "skipped"):
        print_line(f"{finding.state:<8}{finding.id}: {finding.what}", style)
        return
    place = f"  {finding.where}" if finding.where else ""
    print_line(f"{finding.state:<8}{finding.id}{place}", style)
    print_line(f"        {finding.what}")
    if finding.fix:
        print_line(f"        fix: {finding.fix}")
    if first:
        print_line(f"        docs: {finding.page}")


def _groups(findings: Sequence[Finding]) -> Iterator[tuple[str, str]]:
    """Yield (state, line) for the IDs that passed, and that were skipped for the same reason."""
    bad = {finding.id for finding in findings if finding.state not in ("ok", "skipped")}
    groups: dict[tuple[str, str], dict[str, None]] = {}
    for finding in findings:
        if finding.state in ("ok", "skipped") and finding.id not in bad:
            why = "" if finding.state == "ok" else f" ({finding.what})"
            groups.setdefault((finding.state, why), {})[finding.id] = None
    for (state, why), names in groups.items():
        lines = textwrap.wrap(" ".join(names) + why, WIDTH - 8, break_on_hyphens=False)
        for number, line in enumerate(lines):
            yield state, f"{'' if number else state:<8}{line}"


def _counts(findings: Sequence[Finding]) -> list[str]:
    states = Counter[str](finding.state for finding in findings)
    parts = [count(states[one], one) for one in ("error", "warning", "note") if states[one]]
    parts += [f"{states[one]} {one}" for one in ("ok", "skipped") if states[one]]
    return parts or ["nothing to check"]
