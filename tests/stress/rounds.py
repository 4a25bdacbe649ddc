"""Many rounds of one subject, each from its own seed, and the row that tells of them."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple


class Row(NamedTuple):
    """One row of the table in docs/reliability.md.

    Attributes:
        subject: what is done.
        rounds: how often.
        outcomes: what came of it -> how often.
        failures: a line for each round that went wrong: its number, and what was wrong.
        seconds: how long all took.
    """

    subject: str
    rounds: int
    outcomes: Counter[str]
    failures: list[str]
    seconds: float

    def __str__(self) -> str:
        told = ", ".join(f"{count} {name}" for name, count in sorted(self.outcomes.items()))
        day = time.strftime("%Y-%m-%d")
        return (
            f"| {self.subject} | {self.rounds} | {told} | {len(self.failures)} | "
            f"{self.seconds:.0f} s | {day} |"
        )


def repeat(subject: str, rounds: int, do: Callable[[int], str], first: int = 0) -> Row:
    """Do the rounds `first` and on; `do` returns what came of one, or raises AssertionError."""
    began = time.monotonic()
    outcomes, failures = Counter[str](), []
    for number in range(first, first + rounds):
        try:
            outcomes[do(number)] += 1
        except AssertionError as error:
            failures.append(f"round {number}: {str(error)[:2000]}")
    return Row(subject, rounds, outcomes, failures, time.monotonic() - began)


def main(run: Callable[[int], Row], rounds: int) -> int:
    """Run the command of a module: print its row, and what went wrong; return the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=rounds)
    row = run(parser.parse_args().rounds)
    print(row, flush=True)
    for failure in row.failures:
        print(failure, flush=True)
    return 1 if row.failures else 0
