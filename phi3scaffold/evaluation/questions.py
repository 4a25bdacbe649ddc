"""What every form is asked: prompts from held-out rows, and the token ids of the right answers.

The ids are those that were prepared for training, so that all forms are scored on the same ones,
whatever their own tokenizers make of a text.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from phi3scaffold.datasets.conversations import Conversation
from phi3scaffold.datasets.prepared_rows import HELD_OUT, TRAIN, Prepared, spread
from phi3scaffold.datasets.spec import DatasetSpec
from phi3scaffold.project.errors import ScaffoldError

if TYPE_CHECKING:
    import numpy as np

LONGEST_ANSWER = 512  # tokens that any answer may get
SLACK = 16  # tokens beyond the longest right answer, so that one that does not end is seen
LOOK = 20_000  # rows that are searched for a label


@dataclass(frozen=True)
class Questions:
    """Rows to ask, at least one.

    Attributes:
        rows: the conversations; the last turn of each is the answer asked for.
        answers: the ids of each right answer, the token that ends the turn included.
        labels: the labels of a classification that occur in the rows; () for free answers.
        label_ids: the ids of each of `labels`, the token that ends the turn included.
        room: tokens that an answer may get: more than any right one has.
        held_out: how many held-out rows there are, asked or not.
    """

    rows: tuple[Conversation, ...]
    answers: tuple[tuple[int, ...], ...]
    labels: tuple[str, ...]
    label_ids: tuple[tuple[int, ...], ...]
    room: int
    held_out: int

    @property
    def end(self) -> int:
        """The id that ends a turn."""
        return self.answers[0][-1]


def questions(folder: Path, spec: DatasetSpec, most: int) -> Questions:
    """At most `most` held-out rows of a published data folder, spread evenly over all of them.

    Raises:
        ScaffoldError: there are none.
    """
    held_out = Prepared(folder, HELD_OUT)
    if not len(held_out):
        raise ScaffoldError(
            "There are no held-out rows: nothing can be said about any form.",
            where=f"{folder}: {HELD_OUT}",
            fix="give files.held_out a share or a file in datasets/dataset.yaml",
        )
    chosen = spread(len(held_out), most)
    answers = tuple(_answer(*held_out[index]) for index in chosen)
    labels = _labels(folder, spec.labels)
    longest = min(LONGEST_ANSWER, max(map(len, answers + tuple(labels.values()))))
    return Questions(
        rows=tuple(held_out.conversation(index) for index in chosen),
        answers=answers,
        labels=tuple(labels),
        label_ids=tuple(labels.values()),
        room=longest + SLACK,
        held_out=len(held_out),
    )


def _answer(ids: np.ndarray, labels: np.ndarray) -> tuple[int, ...]:
    """The last run of trained tokens: the last answer with its end of turn."""
    trained = (labels >= 0).tolist()
    end = len(trained) - trained[::-1].index(True)
    start = end
    while start and trained[start - 1]:
        start -= 1
    return tuple(map(int, ids[start:end]))


def _labels(folder: Path, names: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    """label -> its ids, as a row that has it was rendered; one that no row has is never right."""
    found: dict[str, tuple[int, ...]] = {}
    for split in (HELD_OUT, TRAIN):
        prepared = Prepared(folder, split)
        for index in range(min(len(prepared), LOOK)):
            if len(found) == len(names):
                break
            answer = prepared.conversation(index).answer.strip()
            if answer in names and answer not in found:
                found[answer] = _answer(*prepared[index])
    return {name: found[name] for name in names if name in found}
