"""How likely each label is: its whole text, the end of its turn included, behind a prompt.

A label whose first token alone is far less likely than the likeliest label is not read to its end:
it has the likelihood of its first token, which is the most that it can have.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from phi3scaffold.inference.forms.reading import PromptReading

MARGIN = 10.0  # nats below the likeliest label

Ids = tuple[int, ...]


def score_labels(reading: PromptReading, labels: Sequence[Ids]) -> dict[int, list[float]]:
    """Return the log-likelihood of each label, of every prompt that was read together.

    Args:
        labels: token ids, the one that ends the turn included.
    """
    scores: dict[int, list[float]] = {}  # of labels that were not read: of their first tokens
    read: dict[int, set[int]] = {row: set() for row in reading.rows}

    def add(wanted: list[tuple[int, int]]) -> None:
        found = reading.score([(row, labels[label]) for row, label in wanted])
        for (row, label), logits in zip(wanted, found, strict=True):
            scale = log_sum(logits)
            if row not in scores:
                scores[row] = [float(logits[0, ids[0]] - scale[0]) for ids in labels]
            own = logits[range(len(labels[label])), list(labels[label])] - scale
            scores[row][label] = float(own.sum())
            read[row].add(label)

    def left(row: int) -> list[int]:
        best = max(scores[row][label] for label in read[row])
        mine = scores[row]
        return [n for n in range(len(labels)) if n not in read[row] and mine[n] >= best - MARGIN]

    add([(row, 0) for row in reading.rows])
    firsts = {row: left(row) for row in reading.rows}
    add([(row, max(own, key=scores[row].__getitem__)) for row, own in firsts.items() if own])
    add([(row, label) for row in reading.rows for label in left(row)])
    return scores


def log_sum(logits: np.ndarray) -> np.ndarray:
    """Return the logarithm of the sum of exponentials over the last axis, in float64."""
    import numpy as np

    most = logits.max(-1, keepdims=True)
    total = np.exp(logits - most).sum(-1, dtype=np.float64)
    return np.log(total) + most[..., 0].astype(np.float64)
