"""Whether there is enough: steps to learn in, and held-out rows to tell two models apart.

Two models answer the same held-out rows, so their accuracies are compared in pairs
(`phi3scaffold.datasets.paired_shares`). How many rows the two will differ in is not known before
they are measured; `DISCORDANT`, one row in ten, is what forms of one model, or a model before and
after a change of settings, stay within. Rows that are variants of one question are not independent,
so questions are counted, not rows.
"""

from __future__ import annotations

import math
from typing import Any

from phi3scaffold.datasets.paired_shares import tango_interval
from phi3scaffold.project.formatting import count
from phi3scaffold.project.training_defaults import FEWEST_STEPS, MOST_EPOCHS
from phi3scaffold.project.training_plan import TrainingPlan

DIFFERENCE = 0.02  # of two accuracies, which people want to tell
DISCORDANT = 0.1  # of the rows: one model is right and the other wrong
TOO_WIDE = 0.1  # half-width from which a measured difference is hardly worth a look


def half_width(rows: int, discordant: float = DISCORDANT) -> float:
    """Return how far the 95 % interval of a paired difference reaches, where the two are equal.

    Of `rows` rows `discordant` differ, half of them each way.
    """
    each = discordant * rows / 2
    return tango_interval(each, each, rows)[1]


def rows_for(difference: float = DIFFERENCE, discordant: float = DISCORDANT) -> int:
    """Return how many held-out rows tell a difference: the least whose half-width is within it."""
    low, high = 1, 1
    while half_width(high, discordant) > difference:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if half_width(middle, discordant) > difference else (low, middle)
    return high


def steps_message(rows: int, plan: TrainingPlan) -> tuple[str, bool]:
    """Return how many steps training will take and, where they are few, what to raise.

    Returns:
        The sentences, and whether there are too few steps.
    """
    steps, per_epoch = plan.steps(rows), plan.steps_per_epoch(rows)
    taken = f"Training will take {count(steps, 'step')}"
    if plan.max_steps:
        message = f"{taken}, as max_steps says"
        advice = f"raise max_steps to {FEWEST_STEPS} or more"
    else:
        epochs = plan.epochs if plan.epochs % 1 else int(plan.epochs)
        message = (
            f"{taken}: {count(rows, 'row')}, {plan.batch * plan.accumulation} to a step, "
            f"{count(epochs, 'epoch')}"
        )
        advice = _more_steps(rows, per_epoch, plan)
    if steps >= FEWEST_STEPS:
        return message, False
    return f"{message}. Fewer than {FEWEST_STEPS} steps teach little: {advice} ({plan.where})", True


def _more_steps(rows: int, per_epoch: int, plan: TrainingPlan) -> str:
    epochs = math.ceil(FEWEST_STEPS / per_epoch)
    if epochs <= MOST_EPOCHS:
        return f"raise num_train_epochs to {epochs}"
    # smaller steps, where they are enough within the epochs that are sensible
    batch = rows * MOST_EPOCHS // (FEWEST_STEPS * plan.accumulation)
    if batch >= 1:
        least = min(plan.batch, 1 << (batch.bit_length() - 1))
        per_epoch = math.ceil(math.ceil(rows / least) / plan.accumulation)
        epochs = math.ceil(FEWEST_STEPS / per_epoch)
        return f"set per_device_train_batch_size to {least} and num_train_epochs to {epochs}"
    needed = math.ceil(FEWEST_STEPS * plan.accumulation / MOST_EPOCHS)
    return (
        f"add rows first ({needed} or more); then set per_device_train_batch_size to 1 and "
        f"num_train_epochs to {MOST_EPOCHS}"
    )


def comparison_message(report: dict[str, Any]) -> tuple[str, bool]:
    """Return which difference the held-out rows can tell, and how many would tell `DIFFERENCE`.

    Returns:
        The sentences, and whether the rows tell hardly anything.
    """
    rows = int(report["rows"]["held_out"])
    near = report["near_duplicates"]
    questions = int(near.get("questions_by_split", {}).get("held_out", rows))
    width, needed = half_width(max(1, questions)), rows_for()
    held_out = count(rows, "held-out row")
    if questions < rows:
        held_out += f" ({count(questions, 'distinct question')})"
    if width <= DIFFERENCE:
        return f"{held_out} can tell a difference of 2 points in accuracy", False
    return (
        f"{held_out} can tell a difference in accuracy to ±{100 * width:.1f} points, not to 2; "
        f"that takes about {count(_rounded(needed))} rows with "
        "different questions (files.held_out in dataset.yaml)",
        width > TOO_WIDE,
    )


def _rounded(rows: int) -> int:
    """Round up to two digits: the assumption behind the number is not exact either."""
    unit = 10 ** max(0, len(str(rows)) - 2)
    return -(-rows // unit) * unit
