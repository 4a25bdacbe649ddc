"""How often the verdict on accuracy is right, and how often it is wrong: the table of docs/.

    python tests/benchmarks/verdicts.py

10,000 simulated evaluations of each kind, some ten seconds in all. The same numbers in every run.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from phi3scaffold.evaluation.estimate import FAILED, PASSED
from tests.support.verdict_rates import LIMIT, verdict_rates

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
            none = verdict_rates(rows, discordant, 0.0)
            half = verdict_rates(rows, discordant, LIMIT / 2)
            cells = [f"{none.get(PASSED, 0):.0%}", f"{half.get(PASSED, 0):.0%}"]
            if discordant >= LIMIT:
                limit = verdict_rates(rows, discordant, LIMIT)
                cells += [f"{limit.get(verdict, 0):.1%}" for verdict in (PASSED, FAILED)]
            else:
                cells += ["", ""]  # so few rows that differ cannot lose so much
            print(f"| {rows:,} | {discordant:.0%} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
