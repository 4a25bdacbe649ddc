"""Only the labels that may win are scored, and answers are read off what was scored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from phi3scaffold.datasets.conversations import Conversation
from phi3scaffold.evaluation.evaluation_set import EvaluationSet
from phi3scaffold.evaluation.row_scores import Reference, RowScores

END, VOCABULARY = 1, 12
LABELS = ((2, END), (2, 3, END), (4, 5, END), (6, END))
ROWS = 200


class Model:
    """Random logits behind each prefix of an answer to a row."""

    def __init__(self, scale: float) -> None:
        self.scale = scale

    def logits(self, row: int, ids: tuple[int, ...]) -> np.ndarray:
        behind = (ids[:place] for place in range(len(ids)))
        return np.stack([self.next(row, before) for before in behind])

    def next(self, row: int, before: tuple[int, ...]) -> np.ndarray:
        chance = np.random.default_rng([row, *before, 99])
        return (self.scale * chance.standard_normal(VOCABULARY)).astype(np.float32)

    def log_likelihood(self, row: int, ids: tuple[int, ...]) -> float:
        logits = self.logits(row, ids).astype(np.float64)
        own = logits[range(len(ids)), list(ids)]
        return float((own - np.log(np.exp(logits).sum(-1))).sum())

    def answer(self, row: int, room: int) -> list[int]:
        ids: list[int] = []
        while len(ids) < room and (token := int(self.next(row, tuple(ids)).argmax())) != END:
            ids.append(token)
        return ids


def dataset() -> EvaluationSet:
    answers = tuple(LABELS[row % len(LABELS)] for row in range(ROWS))
    rows = tuple(Conversation(f"rows:{row}", [], {}) for row in range(ROWS))
    return EvaluationSet(rows, answers, ("a", "b", "c", "d"), LABELS, 6, ROWS)


def score(scores: RowScores, model: Model, row: int) -> int:
    """Score a row as the measurement does; return how many continuations that took."""
    count = 0
    for wanted in (scores.certain, scores.possible):
        for ids in wanted(row):
            scores.add(row, ids, model.logits(row, ids))
            count += 1
    return count


@pytest.mark.parametrize("scale", [0.5, 3.0, 12.0])
def test_the_likeliest_label_and_the_likelihood_are_those_of_scoring_all(scale: float) -> None:
    model, scores, took = Model(scale), RowScores(dataset(), None), 0
    for row in range(ROWS):
        took += score(scores, model, row)
        scores.close(row, frozenset({END}), 6)
        everything = [model.log_likelihood(row, label) for label in LABELS]
        assert scores.likeliest[row] == int(np.argmax(everything))
        expected = everything[row % len(LABELS)]
        assert scores.log_likelihood[row] == pytest.approx(expected, abs=1e-5)
    assert scale < 12 or took < ROWS * len(LABELS)  # and some were not scored


def test_known_answers_are_the_beginning_of_the_greedy_ones() -> None:
    model, scores, whole, begun = Model(12.0), RowScores(dataset(), None), 0, 0
    for row in range(ROWS):
        score(scores, model, row)
        answer, is_whole = scores.close(row, frozenset({END}), 6)
        greedy = model.answer(row, 6)
        assert answer == greedy[: len(answer)]
        assert not is_whole or answer == greedy
        whole, begun = whole + is_whole, begun + bool(answer)
    assert whole > 10
    assert begun > whole


def test_no_answer_is_longer_than_its_room() -> None:
    class Endless(Model):
        def next(self, row: int, before: tuple[int, ...]) -> np.ndarray:
            return np.eye(VOCABULARY, dtype=np.float32)[4 if len(before) % 2 == 0 else 5]

    reference = Reference([[4, 5, 4, 5, 4, 5, 4, 5]] * ROWS, Path(), {})
    scores = RowScores(dataset(), None)
    scores._reference = reference
    score(scores, Endless(1.0), 0)
    assert scores.close(0, frozenset({END}), 6) == ([4, 5, 4, 5, 4, 5], True)
    assert (scores.agreed[0], scores.agreed_of[0]) == (8, 8)


def test_the_reference_is_found_again_whatever_the_order(tmp_path: Path) -> None:
    """The same model differs nowhere, another one by its logits at the same positions."""
    model, own = Model(3.0), RowScores(dataset(), None)
    for row in reversed(range(ROWS)):
        score(own, model, row)
        own.close(row, frozenset({END}), 6)
    own.save(tmp_path / "logits.npy")
    reference = Reference([[]] * ROWS, tmp_path / "logits.npy", own.starts)
    again, other = RowScores(dataset(), reference), RowScores(dataset(), reference)
    for row in range(ROWS):
        score(again, model, row)
        score(other, Model(2.0), row)
    assert again.compared == other.compared == np.load(tmp_path / "logits.npy").shape[0] > ROWS
    assert again.kl == 0.0 and again.max_logit_difference == 0.0
    assert other.kl is not None and other.kl > 0.01
