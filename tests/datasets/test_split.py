"""The split is decided by content and seed: groups stay whole, shares are right, little moves."""

from __future__ import annotations

import random

import numpy as np
import pytest

from phi3scaffold.datasets.prepared_rows import HELD_OUT
from phi3scaffold.datasets.split import Groups, hold_out

from .conftest import CLASSIFY, QA, labelled


def groups(seed: int, count: int, labels: int, largest: int) -> Groups:
    chance = np.random.default_rng(seed)
    return Groups(
        chance.integers(-(2**63), 2**63, count),
        chance.integers(0, labels, count).astype(np.int32),
        chance.integers(1, largest + 1, count).astype(np.int32),
    )


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("largest", [1, 3, 40])
def test_shares_are_right_and_every_label_stands_on_both_sides(seed: int, largest: int) -> None:
    chance = random.Random(seed)
    share, labels = chance.uniform(0.05, 0.6), chance.randint(1, 6)
    made = groups(seed, chance.randint(30, 400), labels, largest)
    held = hold_out(made, share, seed)
    for label in range(labels):
        mine = made.labels == label
        if mine.sum() < 2:
            continue
        assert 0 < (held & mine).sum() < mine.sum()
        wanted, got = share * made.rows[mine].sum(), made.rows[held & mine].sum()
        # to the row where single rows fill up; else no single group more or less comes nearer
        assert abs(got - wanted) <= max(1, made.rows[mine].max() / 2)
        if largest == 1:
            assert abs(got - wanted) <= 1 or got == 1
    if largest == 1:
        assert abs(made.rows[held].sum() - share * made.rows.sum()) <= 1


def test_the_order_of_the_groups_does_not_matter() -> None:
    made = groups(1, 500, 3, 4)
    order = np.random.default_rng(2).permutation(500)
    other = Groups(*(column[order] for column in made))
    assert (hold_out(made, 0.2, 7)[order] == hold_out(other, 0.2, 7)).all()


def test_another_seed_holds_out_others() -> None:
    made = groups(1, 1000, 1, 1)
    both = hold_out(made, 0.2, 1) & hold_out(made, 0.2, 2)
    assert 15 < both.sum() < 70  # 40 by chance


@pytest.mark.parametrize(("labels", "held"), [([0, 0], 1), ([0, 0, 1, 1], 2), ([0, 1], 0)])
def test_a_handful_of_rows(labels: list[int], held: int) -> None:
    made = Groups(np.arange(len(labels)), np.array(labels), np.ones(len(labels), np.int32))
    assert hold_out(made, 0.1, 42).sum() == held


def test_a_group_larger_than_the_share_is_not_taken_where_others_fit() -> None:
    made = Groups(np.arange(11), np.zeros(11, np.int32), np.array([50, *[1] * 10], np.int32))
    for seed in range(20):
        held = hold_out(made, 0.15, seed)
        assert made.rows[held].sum() == 9


def test_the_files_may_be_shuffled(make) -> None:
    rows = labelled(200)
    first = make(rows)
    again = make(random.Random(4).sample(rows, len(rows)))
    assert sorted(first.asked(HELD_OUT)) == sorted(again.asked(HELD_OUT))


def test_a_new_row_moves_hardly_any_other(make) -> None:
    rows = labelled(200)
    before = set(make(rows).asked(HELD_OUT))
    for seed in (11, 12, 13):
        after = set(make([*rows, *labelled(1, seed)]).asked(HELD_OUT))
        assert len(before - after) <= 1


def test_each_label_is_held_out_by_its_share(make) -> None:
    rows = labelled(120)
    rows += [dict(row, tone="joy") for row in labelled(60, 1)]
    assert make(rows).report["labels"]["held_out"] == {"joy": 25, "calm": 10, "fear": 10}


def test_rows_of_one_prompt_stay_together(make) -> None:
    rows = [dict(row, tone=tone) for row in labelled(60) for tone in ("joy", "fear")]
    for yaml in (CLASSIFY, QA):
        made = make(rows, yaml)
        held = made.asked(HELD_OUT)
        assert all(held.count(text) == 2 for text in held)
        assert len(held) == 30


def test_a_rare_label_is_on_both_sides(make) -> None:
    rows = [row for row in labelled(90) if row["tone"] != "calm"]
    rows += [dict(row, tone="calm") for row in labelled(2, 5)]
    labels = make(rows, CLASSIFY.replace("0.25", "0.1")).report["labels"]
    assert labels["train"]["calm"] == labels["held_out"]["calm"] == 1
