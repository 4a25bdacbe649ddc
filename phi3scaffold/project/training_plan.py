"""How long training will run: what fine-tuning/olive-config.json says of epochs and batches."""

from __future__ import annotations

import math
from dataclasses import dataclass

from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.olive_config import OliveConfig, load_config
from phi3scaffold.project.settings import Project

# What transformers' TrainingArguments do without the key.
EPOCHS, BATCH, ACCUMULATION = 3.0, 8, 1


@dataclass(frozen=True)
class TrainingPlan:
    """What decides the number of optimizer steps, for one process.

    Attributes:
        where: the file and the key below which these settings stand.
        epochs: ``num_train_epochs``.
        batch: ``per_device_train_batch_size``.
        accumulation: ``gradient_accumulation_steps``.
        max_steps: a fixed number of steps that overrides the epochs; 0 where there is none.
    """

    where: str
    epochs: float
    batch: int
    accumulation: int
    max_steps: int

    def steps_per_epoch(self, rows: int) -> int:
        """Return the steps of one epoch over `rows` training rows, as transformers counts them."""
        batches = math.ceil(rows / self.batch)
        return max(1, math.ceil(batches / self.accumulation))

    def steps(self, rows: int) -> int:
        """Return the steps of the whole training."""
        return self.max_steps or math.ceil(self.epochs * self.steps_per_epoch(rows))


def training_plan(project: Project) -> TrainingPlan | None:
    """Return the plan of a project; None where its Olive config cannot be read as one.

    That the file is wrong is for `lint` and for training to say, not for a look at the rows.
    """
    try:
        return plan_of(load_config(project.olive_config))
    except (ScaffoldError, OSError, ValueError, TypeError):
        return None


def plan_of(config: OliveConfig) -> TrainingPlan:
    """Return the plan of the training pass of an Olive config."""
    name = config.names_for("finetune")[0]
    arguments = config.training_arguments
    return TrainingPlan(
        where=f"passes.{name}.training_args in fine-tuning/{config.path.name}",
        epochs=float(arguments.get("num_train_epochs", EPOCHS)),
        batch=max(1, int(arguments.get("per_device_train_batch_size", BATCH))),
        accumulation=max(1, int(arguments.get("gradient_accumulation_steps") or ACCUMULATION)),
        max_steps=max(0, int(arguments.get("max_steps") or 0)),
    )
