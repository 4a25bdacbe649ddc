"""Near duplicates in corpora of which it is known what is the same, and what only looks so."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import pytest

from phi3scaffold.datasets import signatures
from phi3scaffold.datasets.frames import find_frames
from phi3scaffold.datasets.near_duplicates import near_groups
from phi3scaffold.datasets.wording import answer_wording, hash_text, wording

from . import near_corpora, near_lookalikes
from .near_corpora import FAQ, Corpus, corpus

CORPORA = (*near_corpora.CORPORA, *near_lookalikes.CORPORA)
Pairs = set[tuple[int, int]]


def groups_of(rows: Corpus) -> list[list[int]]:
    """What the comparison makes of rows, all of them in one part."""
    prompts = [(prompt, answer) for prompt, answer, _ in rows]
    answers = [hash_text(*answer_wording([answer], [prompt])) for prompt, answer in prompts]
    frames = find_frames([wording(prompt).text for prompt, _ in prompts], answers)
    read = signatures.read(prompts, answers, frames)
    names = np.array([hash_text(prompt) for prompt, _ in prompts])

    def shingles_of(place: int) -> np.ndarray:
        return signatures.own_shingles(prompts[place][0], frames)

    return list(near_groups(read, names, shingles_of, lambda step, of: None))


def pairs(groups: Iterable[Sequence[int]]) -> Pairs:
    return {pair for group in groups for pair in itertools.combinations(sorted(group), 2)}


@pytest.mark.parametrize("of", CORPORA, ids=lambda of: of.__name__)
def test_what_is_the_same_is_found_and_nothing_else(of) -> None:
    rows = corpus(of)
    clusters = defaultdict(list)
    for place, (_, _, cluster) in enumerate(rows):
        clusters[cluster].append(place)
    found, true = pairs(groups_of(rows)), pairs(clusters.values())
    recall = len(found & true) / max(1, len(true)) if true else 1.0
    wrong = {place for pair in found - true for place in pair}
    print(f"{of.__name__}: {len(rows)} rows, {len(clusters)} clusters, recall {recall:.3f}")
    assert recall >= 0.99
    assert len(wrong) <= 0.03 * len(rows), [[rows[p][0] for p in pair] for pair in found - true]


@pytest.mark.parametrize("of", CORPORA[:4], ids=lambda of: of.__name__)
def test_the_order_of_the_rows_decides_nothing(of) -> None:
    rows = corpus(of)
    backwards = groups_of(rows[::-1])
    last = len(rows) - 1
    moved = sorted(sorted(last - place for place in group) for group in backwards)
    assert moved == sorted(sorted(group) for group in groups_of(rows))


def test_a_project_of_four_questions_is_told_as_that(make) -> None:
    """Through `prepare`: a cluster is on one side, and the count is of questions, not of rows."""
    from phi3scaffold.datasets.prepared_rows import HELD_OUT, TRAIN, VALIDATION

    from .conftest import QA
    from .near_corpora import four_questions

    rows = [{"phrase": prompt, "tone": answer} for prompt, answer, _ in corpus(four_questions)]
    made = make(rows, QA)
    near = made.report["near_duplicates"]
    assert (near["groups"], near["rows"], near["across_splits"]) == (4, 300, 0)
    assert (near["questions"], near["answers"]) == (4, 4)
    sides = [
        {question for question in FAQ for text in made.asked(split) if question in text}
        for split in (TRAIN, VALIDATION, HELD_OUT)
    ]
    assert [len(side) for side in sides] == [2, 1, 1]
    assert sides[0].isdisjoint(sides[1])
