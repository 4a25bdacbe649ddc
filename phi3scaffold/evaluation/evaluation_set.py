"""The rows that every form is measured on: held-out prompts, and token ids of expected answers.

The ids are those that were prepared for training, so that all forms are scored on the same ones,
whatever their own tokenizers make of a text.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from phi3scaffold.datasets.conversations import Conversation
from phi3scaffold.datasets.prepared_rows import HELD_OUT, TRAIN, Prepared, key_of, spread
from phi3scaffold.datasets.spec import DatasetSpec
from phi3scaffold.project.errors import ScaffoldError

if TYPE_CHECKING:
    import numpy as np

LONGEST_ANSWER = 512  # tokens that any answer may have
MOST_ROWS = 1_000  # where the number is left to us: all of them in one look
SLACK = 16  # tokens beyond the longest expected answer, so that a truncated one is noticed
SEARCHED_ROWS = 20_000  # for an example of each label


@dataclass(frozen=True)
class EvaluationSet:
    """Held-out rows, or for a search validation rows; at least one.

    Attributes:
        rows: the conversations; the last turn of each is the expected answer.
        answers: the ids of each expected answer, the token that ends the turn included.
        labels: the labels of a classification that occur in the rows; () for free answers.
        label_ids: the ids of each of `labels`, the token that ends the turn included.
        max_new_tokens: tokens that an answer may have: more than any expected one.
        held_out: how many rows of that kind there are, in the set or not.
    """

    rows: tuple[Conversation, ...]
    answers: tuple[tuple[int, ...], ...]
    labels: tuple[str, ...]
    label_ids: tuple[tuple[int, ...], ...]
    max_new_tokens: int
    held_out: int

    @property
    def end(self) -> int:
        """The id that ends a turn."""
        return self.answers[0][-1]

    def take(self, rows: Sequence[int]) -> EvaluationSet:
        """Return the set of some rows, by their numbers."""
        return replace(
            self,
            rows=tuple(self.rows[row] for row in rows),
            answers=tuple(self.answers[row] for row in rows),
        )


def sample_held_out(folder: Path, spec: DatasetSpec, most: int) -> EvaluationSet:
    """Choose at most `most` held-out rows of a data folder, spread evenly over all of them.

    Raises:
        ScaffoldError: there are none.
    """
    return sample_rows(folder, spec, most, HELD_OUT)


def sample_rows(folder: Path, spec: DatasetSpec, most: int, split: str) -> EvaluationSet:
    """Choose at most `most` rows of one of a data folder's sets, spread evenly over all of them.

    Raises:
        ScaffoldError: there are none.
    """
    prepared = Prepared(folder, split)
    if not len(prepared):
        raise ScaffoldError(
            f"There are no {split} rows: no form can be evaluated.",
            where=f"{folder}: {split}",
            fix=f"give files.{key_of(split)} a share or a file in datasets/dataset.yaml",
        )
    chosen = spread(len(prepared), most)
    answers = tuple(_answer_ids(*prepared[index]) for index in chosen)
    labels = _label_ids(folder, spec.labels)
    longest = min(LONGEST_ANSWER, max(map(len, answers + tuple(labels.values()))))
    return EvaluationSet(
        rows=tuple(prepared.conversation(index) for index in chosen),
        answers=answers,
        labels=tuple(labels),
        label_ids=tuple(labels.values()),
        max_new_tokens=longest + SLACK,
        held_out=len(prepared),
    )


def shuffled(dataset: EvaluationSet, labels: Sequence[str]) -> EvaluationSet | None:
    """Return the rows in an order by chance, so that any first ones stand for all.

    Rows with other labels are left out: the forms cannot be measured on them. None: all are.
    """
    known = [row for row, its in enumerate(dataset.rows) if its.answer.strip() in labels]
    random.Random(0).shuffle(known)
    return dataset.take(known) if known else None


def _answer_ids(ids: np.ndarray, labels: np.ndarray) -> tuple[int, ...]:
    """Return the last run of trained tokens: the last answer with its end of turn."""
    trained = (labels >= 0).tolist()
    end = len(trained) - trained[::-1].index(True)
    start = end
    while start and trained[start - 1]:
        start -= 1
    return tuple(map(int, ids[start:end]))


def _label_ids(folder: Path, names: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    """Return label -> its ids as rendered in a row; a label that no row has is left out."""
    ids: dict[str, tuple[int, ...]] = {}
    for split in (HELD_OUT, TRAIN):
        prepared = Prepared(folder, split)
        for index in range(min(len(prepared), SEARCHED_ROWS)):
            if len(ids) == len(names):
                break
            answer = prepared.conversation(index).answer.strip()
            if answer in names and answer not in ids:
                ids[answer] = _answer_ids(*prepared[index])
    return {name: ids[name] for name in names if name in ids}
