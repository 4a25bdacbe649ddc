"""The split is decided by content and seed: groups stay whole, shares are right, little moves."""

from __future__ import annotations

import random

import numpy as np
import pytest

from phi3scaffold.datasets.prepared_rows import HELD_OUT, TRAIN, VALIDATION, file_of
from phi3scaffold.datasets.split import AUTO, HELD, TRAINED, VALIDATING, Groups, hold_out, split
from phi3scaffold.project.errors import ScaffoldError

from . import released_split
from .conftest import CLASSIFY, FILES, QA, labelled


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


@pytest.mark.parametrize("case", released_split.HELD_OUT, ids=str)
@pytest.mark.parametrize("validation", ["", "validation: auto, ", "validation: null, ",
                                        "validation: 0.3, "])  # fmt: skip
def test_the_held_out_rows_are_those_of_earlier_versions(make, case, validation: str) -> None:
    task, share, seed = case
    yaml = CLASSIFY if task == "classify" else QA
    held_out = f"{validation}held_out: {share}"
    made = make(released_split.rows(), yaml.replace("held_out: 0.25", held_out) + f"seed: {seed}\n")
    lines = tuple(int(place.rpartition(":")[2]) for place in made.held_out)
    assert lines == released_split.HELD_OUT[case]


@pytest.mark.parametrize(
    ("rows", "held_out", "validation"),
    [(248, 50, 0), (249, 50, 0), (250, 50, 50), (499, 100, 50), (500, 100, 50), (620, 124, 62)],
)
def test_auto_goes_by_the_rows_that_are_kept(
    make, rows: int, held_out: int, validation: int
) -> None:
    every = labelled(rows)
    made = make([*every, *every[:9]], QA.replace("0.25", "0.2"))  # nine are the same as another
    counts = made.report["rows"]
    assert (counts["held_out"], counts["validation"]) == (held_out, validation)
    assert counts["train"] == rows - held_out - validation
    assert counts["dropped"] == 9
    assert (made.folder / file_of(VALIDATION)).is_file() == bool(validation)
    if validation:
        assert len(made.places(VALIDATION)) == validation


@pytest.mark.parametrize(("rows", "validation"), [(249, 0), (250, 50), (600, 60)])
def test_auto_counts_training_rows_where_held_out_rows_are_files(
    make, rows: int, validation: int
) -> None:
    made = make(labelled(rows), FILES, held_out=labelled(30, 1))
    counts = made.report["rows"]
    assert counts["held_out"] == 30
    assert (counts["train"], counts["validation"]) == (rows - validation, validation)
    assert not validation or all("train.jsonl:" in one for one in made.places(VALIDATION))


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("largest", [1, 3, 20])
def test_every_label_stands_in_all_three_sets(seed: int, largest: int) -> None:
    chance = random.Random(seed)
    labels = chance.randint(1, 5)
    made = groups(seed, chance.randint(250, 600), labels, largest)
    sets = split(made, 0.2, AUTO, seed)
    for label in range(labels):
        mine = made.labels == label
        if mine.sum() >= 3:
            assert {TRAINED, VALIDATING, HELD} == set(sets[mine].tolist())
    total, got = made.rows.sum(), made.rows[sets == VALIDATING].sum()
    wanted = max(50, round(total / 10))
    assert got >= 50
    assert abs(got - wanted) <= labels * max(1, largest)


def test_three_groups_of_a_label_are_one_in_each_set() -> None:
    made = Groups(np.arange(3), np.zeros(3, np.int32), np.array([100, 100, 100], np.int32))
    assert sorted(split(made, 0.2, AUTO, 42).tolist()) == [TRAINED, VALIDATING, HELD]
    two = Groups(*(column[:2] for column in made))
    assert sorted(split(two, 0.5, 0.2, 42).tolist()) == [TRAINED, HELD]


def test_validation_leaves_at_least_half_of_what_is_not_held_out() -> None:
    made = groups(3, 260, 1, 1)
    sets = split(made, 0.7, AUTO, 42)
    assert np.bincount(sets).tolist() == [39, 39, 182]


def test_rows_of_one_prompt_stay_in_one_of_the_three_sets(make) -> None:
    rows = [dict(row, tone=tone) for row in labelled(200) for tone in ("joy", "fear")]
    made = make(rows, QA.replace("0.25", "0.2"))
    for split_name in (TRAIN, VALIDATION, HELD_OUT):
        asked = made.asked(split_name)
        assert all(asked.count(text) == 2 for text in asked)
    assert made.report["rows"]["validation"] == 50


def test_the_validation_rows_may_be_shuffled_too(make) -> None:
    rows = labelled(300)
    first, again = make(rows), make(random.Random(4).sample(rows, len(rows)))
    assert sorted(first.asked(VALIDATION)) == sorted(again.asked(VALIDATION))
    assert len(first.asked(VALIDATION)) == 50


def test_a_share_is_of_the_training_files(make) -> None:
    yaml = QA.replace("held_out: 0.25", "validation: 0.3, held_out: 0.2")
    counts = make(labelled(100), yaml).report["rows"]
    assert (counts["train"], counts["validation"], counts["held_out"]) == (50, 30, 20)


def test_a_share_without_a_row_is_refused(make) -> None:
    yaml = QA.replace("held_out: 0.25", "validation: 0.1, held_out: 0.5")
    with pytest.raises(ScaffoldError, match="No row is left for validation") as caught:
        make(labelled(2), yaml)
    assert str(caught.value.where).endswith("dataset.yaml: files.validation")


def test_three_files_are_three_sets_without_leaks(make) -> None:
    train, validation, held_out = labelled(9), labelled(6, 1), labelled(7, 2)
    yaml = FILES.replace("held_out:", "validation: [validation.jsonl], held_out:")
    made = make(
        train,
        yaml,
        validation=[*validation, train[2], validation[0]],
        held_out=[*held_out, dict(train[1], tone="joy"), validation[3]],
    )
    assert made.dropped == [
        ("validation.jsonl:7", "validation row also in train"),
        ("validation.jsonl:8", "the same as an earlier row"),
        ("held-out.jsonl:8", "held-out row also in train"),
        ("held-out.jsonl:9", "held-out row also in validation"),
    ]
    assert made.report["rows"] == {
        "read": 26, "train": 9, "validation": 6, "held_out": 7, "dropped": 4
    }  # fmt: skip
    assert made.report["leaks"]["rows"] == 3
    files = [(file["name"], file["split"], file["rows"]) for file in made.report["files"]]
    assert files == [
        ("train.jsonl", "train", 9),
        ("validation.jsonl", "validation", 8),
        ("held-out.jsonl", "held_out", 9),
    ]


def test_held_out_is_a_share_beside_a_validation_file(make) -> None:
    yaml = QA.replace("held_out: 0.25", "validation: [validation.jsonl], held_out: 0.2")
    made = make(labelled(100), yaml, validation=labelled(5, 1))
    assert {place.partition(":")[0] for place in made.held_out} == {"train.jsonl"}
    assert {place.partition(":")[0] for place in made.places(VALIDATION)} == {"validation.jsonl"}
    assert made.held_out == make(labelled(100), QA.replace("0.25", "0.2")).held_out


def test_near_duplicates_in_two_files_are_counted(make) -> None:
    near = [f"{text} {end}" for text in labelled_texts() for end in ("left", "right", "away")]
    yaml = FILES.replace("held_out:", "validation: [validation.jsonl], held_out:")
    rows = [{"phrase": text, "tone": "joy"} for text in near]
    made = make([*labelled(9), rows[0]], yaml, validation=[rows[1]], held_out=[rows[2]])
    assert made.report["near_duplicates"]["across_splits"] == 2


def labelled_texts() -> list[str]:
    return [row["phrase"] + " " + row["phrase"][::-1] for row in labelled(1, 5)]
