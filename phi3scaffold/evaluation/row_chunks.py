"""The rows that a form answers, chunk by chunk: all, or where time is short the first look's."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from phi3scaffold.evaluation.looks import look_order, plan_looks, spread_order

# Rows that are read together, to batch those of one length. Where the time is limited, a slow model
# gets few at first: as many again until such a share of the time has shown how long a row takes.
FEWEST, MOST = 8, 256
SHARE = 0.05


@dataclass
class RowChunks:
    """Which rows are measured: all, or where the time is limited those of the first look.

    Attributes:
        count: rows that there are.
        seconds: see `phi3scaffold.evaluation.measurement.measure`.
        most_looks: see `phi3scaffold.evaluation.measurement.measure`.
        looks: the plan, made from the time that the first rows took, before an answer is looked at.
        pilot: how many rows these were.
    """

    count: int
    seconds: float | None
    most_looks: int
    looks: list[int] = field(default_factory=list)
    pilot: int = 0

    def rows(self, first: list[int]) -> Iterator[list[int]]:
        """Yield rows to measure; those in `first` are a chunk of their own."""
        began = start = time.monotonic()
        if first:
            yield first
        early = set(first)
        order = [row for row in spread_order(self.count) if row not in early]
        size, done, end = FEWEST if self.seconds is not None else MOST, 0, len(order)
        while done < end:
            rows = order[done : min(done + size, end)]
            yield rows
            done, now = done + len(rows), time.monotonic()
            if self.seconds is not None:
                share = SHARE * self.seconds
                size = min(2 * size, MOST) if now - start < share else size
                if not self.looks and (now - began >= share or done == end):
                    left = (self.seconds - (now - began)) * len(rows) / max(now - start, 1e-9)
                    self.looks += plan_looks(end, done, done + int(left), self.most_looks)
                    if self.looks[0] < end:
                        self.pilot, order, end = done, look_order(end, done), self.looks[0]
            start = now
