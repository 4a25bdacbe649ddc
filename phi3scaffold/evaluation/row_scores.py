"""Likelihoods, agreement, divergence and greedy answers, from the logits behind each prompt.

A row's expected answer and the reference's are scored first. The logits behind the prompt tell
how likely each label is at most, by its first token: only those that may still win, or have a
probability worth the name, are scored.
Where the likeliest tokens are those of something that was scored, the greedy answer is known, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from phi3scaffold.evaluation.evaluation_set import EvaluationSet
from phi3scaffold.inference.label_scores import MARGIN, log_sum

if TYPE_CHECKING:
    import numpy as np

COMPARED = 512  # positions at which two forms' logits are compared
COMPARED_BYTES = 128 << 20  # memory that these logits may take

# A form is broken where each of so many rows diverges from the reference by more than so many nats
# a token: were that so for half of all rows, a thousandth of the looks would find it.
FEWEST_SEEN, BROKEN = 10, 1.0

Ids = tuple[int, ...]


@dataclass(frozen=True)
class Reference:
    """What the other forms are compared with: the adapter, as measured before them.

    Attributes:
        answers: the ids it answered each row with, the end of the turn where it came included.
        logits: an .npy file of its logits at the compared positions, [positions, vocabulary].
        starts: row -> where those of its expected answer begin there.
    """

    answers: list[list[int]]
    logits: Path
    starts: dict[int, int]

    def take(self, rows: Sequence[int]) -> Reference:
        """Return the same for some rows alone, by their numbers."""
        answers = [self.answers[row] for row in rows]
        starts = {new: self.starts[row] for new, row in enumerate(rows) if row in self.starts}
        return Reference(answers, self.logits, starts)


@dataclass
class _Row:
    """What is known of a row whose prompt is being read.

    Attributes:
        chosen: continuation -> the likeliest token at each of its positions.
        log_likelihood: continuation -> its own.
        first: label -> the log-likelihood of its first token.
        leads: continuation -> by how much the likeliest token leads, at each of its positions.
    """

    chosen: dict[Ids, list[int]] = field(default_factory=dict)
    log_likelihood: dict[Ids, float] = field(default_factory=dict)
    first: dict[Ids, float] = field(default_factory=dict)
    leads: dict[Ids, list[float]] = field(default_factory=dict)


class RowScores:
    """Scores of every row of a dataset, added continuation by continuation."""

    def __init__(self, dataset: EvaluationSet, reference: Reference | None) -> None:
        import numpy as np

        count = len(dataset.rows)
        self._dataset, self._reference = dataset, reference
        self._theirs = np.load(reference.logits, mmap_mode="r") if reference else None
        self._logits: list[np.ndarray] = []
        self._end = 0
        self.starts: dict[int, int] = {}  # of the rows whose logits are saved
        self._open: dict[int, _Row] = {}
        self._widest = 0.0
        self.kl_sums = [0.0] * count  # over the compared positions of each row
        self.kl_of = [0] * count  # how many these were
        self.log_likelihood = [0.0] * count
        self.likeliest = [-1] * count
        self.labels: list[list[float]] = [[]] * count  # log-likelihoods, as `score_labels` has them
        self.agreed, self.agreed_of = [0] * count, [0] * count
        self.leads = [0.0] * count  # the smallest along the answer; 0 where that is not known

    def certain(self, row: int) -> list[Ids]:
        """Return what is scored in any case, each once: the expected answer, the reference's."""
        unique = {self._dataset.answers[row]: None}
        if self._reference and self._reference.answers[row]:
            unique[tuple(self._reference.answers[row])] = None
        return list(unique)

    def possible(self, row: int) -> list[Ids]:
        """Return the labels whose probability is worth knowing, of those that were not scored."""
        known = self._open[row]
        scored = [known.log_likelihood.get(label) for label in self._dataset.label_ids]
        best = max((one for one in scored if one is not None), default=-float("inf"))
        unknown = (label for label in known.first if label not in known.log_likelihood)
        return [label for label in unknown if known.first[label] >= best - MARGIN]

    def add(self, row: int, ids: Ids, logits: np.ndarray) -> None:
        """Add the logits [C, vocabulary] that a continuation's tokens would be chosen from."""
        import numpy as np

        known = self._open.setdefault(row, _Row())
        scale = log_sum(logits)
        own = logits[range(len(ids)), list(ids)].astype(np.float64) - scale
        known.log_likelihood[ids] = float(own.sum())
        known.chosen[ids] = logits.argmax(-1).tolist()
        if self._reference is None:
            second, most = np.partition(logits, -2)[:, -2:].T
            known.leads[ids] = (most - second).tolist()
        if not known.first:
            labels = self._dataset.label_ids
            known.first = {one: float(logits[0, one[0]] - scale[0]) for one in labels}
        if ids == self._dataset.answers[row]:
            self._compare(row, logits)

    def close(self, row: int, stop: frozenset[int], room: int) -> tuple[list[int], bool]:
        """Return the row's greedy answer, as far as it is known, and whether that is all of it.

        Args:
            row: its continuations were all scored.
            stop: the ids that end an answer, which is without them.
            room: tokens that an answer may have.
        """
        known = self._open.pop(row)
        expected = self._dataset.answers[row]
        self.log_likelihood[row] = known.log_likelihood[expected]
        if self._dataset.label_ids:
            labels = self._dataset.label_ids
            least = -float("inf")
            scores = [known.log_likelihood.get(one, least) for one in labels]
            self.likeliest[row] = _first_maximum(scores)
            self.labels[row] = [known.log_likelihood.get(one, known.first[one]) for one in labels]
        if self._reference and self._reference.answers[row]:
            theirs = tuple(self._reference.answers[row])
            chosen = known.chosen[theirs]
            self.agreed[row] = sum(a == b for a, b in zip(chosen, theirs, strict=True))
            self.agreed_of[row] = len(theirs)
        answer, is_whole = _greedy(known.chosen, stop, room)
        if self._reference is None and is_whole:
            path = tuple(answer)
            along = max((ids for ids in known.leads if ids[: len(path)] == path), key=len)
            self.leads[row] = min(known.leads[along][: len(path) + 1])
        return answer, is_whole

    def _compare(self, row: int, mine: np.ndarray) -> None:
        import numpy as np

        most = min(COMPARED, COMPARED_BYTES // (mine.shape[1] * mine.itemsize))
        if self._theirs is None:  # this is the reference
            if self._end < most:
                self.starts[row] = self._end
                self._logits.append(mine[: most - self._end])
                self._end += len(mine)
            return
        start = self._reference.starts.get(row) if self._reference else None
        if start is None:
            return
        width = min(mine.shape[1], self._theirs.shape[1])  # a graph may pad its vocabulary
        theirs = self._theirs[start : start + len(mine), :width]
        mine = mine[: len(theirs), :width]
        if not len(mine):
            return
        p, q = _log_softmax(theirs), _log_softmax(mine)
        self.kl_sums[row] = max(0.0, float((np.exp(p) * (p - q)).sum()))
        self.kl_of[row] = len(mine)
        self._widest = max(self._widest, float(np.abs(mine - theirs).max()))

    @property
    def compared(self) -> int:
        """How many positions were compared."""
        return sum(self.kl_of)

    @property
    def kl(self) -> float | None:
        """Mean divergence from the reference, in nats; None without one."""
        return sum(self.kl_sums) / self.compared if self.compared else None

    @property
    def is_broken(self) -> bool:
        """Whether every compared row is far from the reference, and these are enough to tell."""
        sums = zip(self.kl_sums, self.kl_of, strict=True)
        means = [total / of for total, of in sums if of]
        return len(means) >= FEWEST_SEEN and not any(mean <= BROKEN for mean in means)

    @property
    def max_logit_difference(self) -> float | None:
        """Largest difference of any logit from the reference's; None without one."""
        return self._widest if self.compared else None

    def save(self, path: Path) -> None:
        """Write the logits at the compared positions; `starts` says whose they are."""
        import numpy as np

        np.save(path, np.concatenate(self._logits))


def _greedy(
    chosen: dict[Ids, list[int]], stop: frozenset[int], room: int
) -> tuple[list[int], bool]:
    """Follow the likeliest tokens as far as they are those of a continuation that was scored."""
    answer: list[int] = []
    paths: Iterable[Ids] = chosen
    while len(answer) < room:
        here = [ids for ids in paths if len(ids) > len(answer)]
        if not here:
            return answer, False
        token = chosen[here[0]][len(answer)]
        if token in stop:
            return answer, True
        paths = [ids for ids in here if ids[len(answer)] == token]
        answer.append(token)
    return answer, True


def _first_maximum(scores: Sequence[float]) -> int:
    import numpy as np

    return int(np.argmax(scores))


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    """Normalise over the last axis, in float64: small differences matter here."""
    import numpy as np

    wide = logits.astype(np.float64)
    wide -= wide.max(-1, keepdims=True)
    return wide - np.log(np.exp(wide).sum(-1, keepdims=True))
