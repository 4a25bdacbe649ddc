"""How often the verdict on accuracy is right, and how often it is wrong: the table of docs/.

    python tests/benchmarks/verdicts.py

10,000 simulated evaluations of each kind, with one look / with four. The same in every run.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from phi3scaffold.evaluation.estimate import FAILED, PASSED
from tests.support.verdict_rates import LIMIT, verdict_rates, verdict_rates_with_looks

ROWS = (40, 100, 229, 500, 1000)
DISCORDANT = (0.01, 0.02, 0.05, 0.1)


def main() -> None:
    print(
        "| Held-out rows | Rows that differ | Passed, nothing lost | Passed, 1 point lost "
        "| Passed, 2 points lost (false) | Failed, 2 points lost (false) |\n"
        "|---|---|---|---|---|---|"
    )
    for rows in ROWS:
        for discordant in DISCORDANT:
            none, half, limit = (both(rows, discordant, lost) for lost in (0.0, LIMIT / 2, LIMIT))
            cells = [cell(none, PASSED, 0), cell(half, PASSED, 0)]
            # so few rows that differ cannot lose so much
            possible = discordant >= LIMIT
            cells += [cell(limit, verdict, 1) if possible else "" for verdict in (PASSED, FAILED)]
            print(f"| {rows:,} | {discordant:.0%} | {' | '.join(cells)} |", flush=True)


def both(rows: int, discordant: float, lost: float) -> tuple[dict[str, float], dict[str, float]]:
    """Return the rates with one look and with four."""
    if discordant < lost:
        return {}, {}
    one = verdict_rates(rows, discordant, lost)
    return one, verdict_rates_with_looks(rows, discordant, lost)


def cell(rates: tuple[dict[str, float], dict[str, float]], verdict: str, digits: int) -> str:
    """Return both rates, such as ``38% / 31%``."""
    return " / ".join(f"{one.get(verdict, 0):.{digits}%}" for one in rates)


if __name__ == "__main__":
    main()
