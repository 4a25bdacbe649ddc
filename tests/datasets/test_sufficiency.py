"""Whether there is enough: steps, and held-out rows to tell two models apart."""

from __future__ import annotations

import math

import pytest

from phi3scaffold.datasets.sufficiency import (
    comparison_message,
    half_width,
    rows_for,
    steps_message,
)
from phi3scaffold.project.training_plan import TrainingPlan


def plan(epochs: float = 3, batch: int = 16, accumulation: int = 1, most: int = 0) -> TrainingPlan:
    return TrainingPlan("passes.p.training_args", epochs, batch, accumulation, most)


def tango(both_ways: int, rows: int, difference: float) -> float:
    """Tango's statistic where as many rows differ one way as the other, written out again."""
    b = c = both_ways
    a_ = 2 * rows
    b_ = -b - c + (2 * rows - b + c) * difference
    c_ = -c * difference * (1 - difference)
    share = (math.sqrt(b_**2 - 4 * a_ * c_) - b_) / (2 * a_)
    return (b - c - rows * difference) / math.sqrt(
        rows * (2 * share + difference * (1 - difference))
    )


@pytest.mark.parametrize("rows", [20, 60, 200, 1000])
def test_the_half_width_is_where_tangos_statistic_is_at_its_limit(rows: int) -> None:
    assert tango(rows // 20, rows, half_width(rows)) == pytest.approx(-1.959964, abs=1e-3)


@pytest.mark.parametrize("rows", [500, 2000, 20_000])
def test_for_many_rows_it_is_the_normal_approximation(rows: int) -> None:
    assert half_width(rows) == pytest.approx(1.96 * math.sqrt(0.1 / rows), rel=0.04)


def test_the_rows_for_two_points_are_the_fewest() -> None:
    needed = rows_for()
    assert half_width(needed) <= 0.02 < half_width(needed - 1)
    assert 950 < needed < 1010


@pytest.mark.parametrize(
    ("rows", "of", "steps", "advice"),
    [
        (300, plan(), 57, "raise num_train_epochs to 8"),
        (200, plan(), 39, "set per_device_train_batch_size to 8 and num_train_epochs to 6"),
        (
            100,
            plan(accumulation=4),
            6,
            "per_device_train_batch_size to 1 and num_train_epochs to 6",
        ),
        (10, plan(), 3, "add rows first (15 or more)"),
        (5000, plan(most=60), 60, "raise max_steps to 150 or more"),
    ],
)
def test_few_steps_name_the_key_to_raise(
    rows: int, of: TrainingPlan, steps: int, advice: str
) -> None:
    message, few = steps_message(rows, of)
    assert few and message.startswith(f"Training will take {steps} steps")
    assert advice in message and "(passes.p.training_args)" in message


def test_the_advice_is_enough() -> None:
    assert plan(epochs=8).steps(300) >= 150
    assert plan(epochs=6, batch=8).steps(200) >= 150
    assert plan(epochs=6, batch=1, accumulation=4).steps(100) >= 150
    assert plan(epochs=10, batch=1).steps(15) >= 150


def test_enough_steps_are_said_without_advice() -> None:
    assert steps_message(900, plan()) == (
        "Training will take 171 steps: 900 rows, 16 to a step, 3 epochs",
        False,
    )


def report(rows: int, questions: int) -> dict:
    near = {"questions_by_split": {"train": 9, "held_out": questions}}
    return {"rows": {"held_out": rows}, "near_duplicates": near}


def test_questions_count_and_not_their_variants() -> None:
    message, wide = comparison_message(report(200, 20))
    assert wide and "200 held-out rows (20 distinct questions)" in message
    assert "±19.9 points" in message and "about 990 rows" in message


def test_many_held_out_rows_tell_two_points() -> None:
    assert comparison_message(report(1200, 1200)) == (
        "1,200 held-out rows can tell a difference of 2 points in accuracy",
        False,
    )
    message, wide = comparison_message(report(200, 200))
    assert not wide and "±4.7 points" in message and "not to 2; " in message
