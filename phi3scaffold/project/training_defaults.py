"""What a new project trains with, by the size of its model and the number of its rows.

tests/benchmarks/defaults.md says what was measured and what was taken from elsewhere.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from phi3scaffold.project.algorithms import ALGORITHMS, Algorithm, algorithm_of
from phi3scaffold.project.formatting import count, parameter_count

FEWEST_STEPS = 150  # below that the learning rate's warm-up and decay take most of the training
MOST_EPOCHS = 10  # more often each row is learned by heart rather than what rows have in common
FEWEST_EPOCHS = 3
BATCH = 16  # rows of a step
WARM_UP = 0.1  # of the steps
# Up to so many weights -> LoRA's learning rate.
RATES = ((20e6, 2e-3), (14e9, 2e-4), (math.inf, 1e-4))
HIGHEST_RATE = 5e-3  # of any algorithm that was tried
ASSUMED_PARAMETERS, ASSUMED_ROWS = 4_000_000_000, 1000  # where they are not known


@dataclass(frozen=True)
class TrainingDefaults:
    """Training arguments of a new project.

    Attributes:
        parameters: weights of the model; 0: not known.
        rows: that it trains on; 0: not known.
        learning_rate: its peak; as JSON has it.
        epochs: passes over the rows.
        batch: rows of a step.
        warm_up: share of the steps in which the rate rises.
    """

    parameters: int
    rows: int
    learning_rate: str
    epochs: float
    batch: int
    warm_up: float = WARM_UP

    def to_json(self) -> dict[str, Any]:
        """Return the values for the template."""
        return asdict(self)

    @property
    def summary(self) -> str:
        """One sentence: how many steps, and what was assumed."""
        text = f"{count(self.epochs, 'epoch')}, {count(self.batch, 'row')} a step"
        if self.rows:
            steps = math.ceil(self.epochs * math.ceil(self.rows / self.batch))
            text = f"about {count(steps, 'step')} ({count(self.rows, 'row')}, {text})"
        else:
            text += (
                f"; the number of rows is not known yet, {count(ASSUMED_ROWS)} are assumed: "
                "`phi3scaffold data` says how many steps they make"
            )
        if self.parameters:
            size = f"for {parameter_count(self.parameters)} weights"
        else:
            assumed = parameter_count(ASSUMED_PARAMETERS)
            size = f"the model's size is not known, {assumed} weights are assumed"
        return f"training: {text}; learning rate {self.learning_rate}, {size}"


def training_defaults(algo: str, parameters: int, rows: int) -> TrainingDefaults:
    """Return the training arguments for an algorithm, a model and rows; 0: not known."""
    algorithm = algorithm_of(algo) or ALGORITHMS[0]
    rate = _rate(algorithm, parameters or ASSUMED_PARAMETERS)
    epochs, batch = _schedule(rows or ASSUMED_ROWS)
    return TrainingDefaults(parameters, rows, rate, epochs, batch)


def earlier_keys(algorithm: Algorithm) -> dict[str, Any]:
    """Return what the templates before 0.4.0 read of an algorithm: for tiny, and for a real model.

    `update` renders them, to know what a project began with.
    """
    rates = [_rate(algorithm, size) for size in (1, ASSUMED_PARAMETERS)]
    return {"learning_rates": rates, "epochs": (3 if algorithm.four_bit_base else 2, 3)}


def _rate(algorithm: Algorithm, parameters: int) -> str:
    rate = next(rate for most, rate in RATES if parameters <= most)
    return f"{min(rate * algorithm.rate_factor, HIGHEST_RATE):g}"


def _schedule(rows: int) -> tuple[int, int]:
    """Return epochs and batch that make `FEWEST_STEPS`, in `MOST_EPOCHS` where rows allow it."""
    batch = BATCH
    while batch > 1 and math.ceil(rows / batch) * MOST_EPOCHS < FEWEST_STEPS:
        batch //= 2
    return max(FEWEST_EPOCHS, math.ceil(FEWEST_STEPS / math.ceil(rows / batch))), batch
