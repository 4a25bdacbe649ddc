"""What a new project trains with follows from the sizes of its model and its rows."""

from __future__ import annotations

import math

import pytest

from phi3scaffold.project.algorithms import ALGORITHMS
from phi3scaffold.project.training_defaults import earlier_keys, training_defaults

TINY, SMALL, MINI, LARGE = 4_000_000, 135_000_000, 3_800_000_000, 33_000_000_000


@pytest.mark.parametrize("rows", [15, 40, 60, 119, 236, 240, 500, 809, 5000, 100_000])
def test_every_number_of_rows_makes_enough_steps(rows: int) -> None:
    made = training_defaults("lora", MINI, rows)
    steps = made.epochs * math.ceil(rows / made.batch)
    assert steps >= 150
    assert 3 <= made.epochs <= 10
    if made.epochs > 3:
        assert steps - math.ceil(rows / made.batch) < 150  # no epoch too many


def test_few_rows_get_small_batches_before_many_epochs() -> None:
    found = {rows: training_defaults("lora", MINI, rows) for rows in (10, 60, 120, 236, 900)}
    assert {rows: (one.batch, one.epochs) for rows, one in found.items()} == {
        10: (1, 15),
        60: (4, 10),
        120: (8, 10),
        236: (16, 10),
        900: (16, 3),
    }


def test_the_rate_falls_with_the_size_of_the_model() -> None:
    rates = [
        float(training_defaults("lora", size, 900).learning_rate)
        for size in (TINY, SMALL, MINI, LARGE)
    ]
    assert rates == sorted(rates, reverse=True)
    assert (rates[0], rates[2], rates[3]) == (0.002, 0.0002, 0.0001)


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda one: one.name)
def test_every_algorithm_has_a_rate_that_was_tried(algorithm: object) -> None:
    for size in (TINY, SMALL, MINI, LARGE):
        name = algorithm.name  # type: ignore[attr-defined]
        assert 1e-4 <= float(training_defaults(name, size, 900).learning_rate) <= 5e-3


def test_what_is_not_known_is_assumed_and_said() -> None:
    known, unknown = training_defaults("lora", MINI, 1000), training_defaults("lora", 0, 0)
    for key in ("learning_rate", "epochs", "batch"):
        assert getattr(known, key) == getattr(unknown, key)
    assert known.summary == (
        "training: about 189 steps (1,000 rows, 3 epochs, 16 rows a step); learning rate 0.0002, "
        "for 3.8B weights"
    )
    assert "the number of rows is not known yet, 1,000 are assumed" in unknown.summary
    assert "the model's size is not known, 4.0B weights are assumed" in unknown.summary


def test_earlier_templates_still_find_what_they_read() -> None:
    """As 0.3.0 declared it: `update` renders what a project of that version began with."""
    found = {one.name: earlier_keys(one) for one in ALGORITHMS}
    assert found["lora"] == {"learning_rates": ["0.002", "0.0002"], "epochs": (2, 3)}
    assert found["qlora"]["epochs"] == (3, 3)
    assert found["loha"]["learning_rates"] == ["0.005", "0.0005"]
    assert found["lokr"]["learning_rates"] == ["0.005", "0.002"]
