"""How a training went, as far as it explains a verdict: too short, still falling, diverged."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from phi3scaffold.project.formatting import count
from phi3scaffold.project.training_defaults import FEWEST_STEPS, MOST_EPOCHS
from phi3scaffold.project.training_plan import TrainingPlan

STILL_FALLING = 0.02  # share by which the last look at the validation rows was still better


@dataclass(frozen=True)
class TrainingOutcome:
    """What a training says of itself.

    Attributes:
        steps: planned; 0 where it is not known.
        falling: its last two validation losses where the last was lower by a fiftieth or more; ().
        diverged: whether its loss ended above where it began, or was no number.
        plan: its settings; None where they cannot be read.
        rate: its learning rate; None where it is not known.
    """

    steps: int = 0
    falling: tuple[float, ...] = ()
    diverged: bool = False
    plan: TrainingPlan | None = None
    rate: float | None = None

    @classmethod
    def of(
        cls,
        facts: Mapping[str, Any],
        history: Sequence[Mapping[str, Any]],
        plan: TrainingPlan | None,
        rate: float | None = None,
    ) -> TrainingOutcome:
        """Read what the training stage published.

        Args:
            facts: of its manifest.
            history: the Trainer's log.
            plan: of the project.
            rate: its learning rate.
        """
        losses = [entry["eval_loss"] for entry in history if "eval_loss" in entry][-2:]
        falling = len(losses) == 2 and losses[1] < (1 - STILL_FALLING) * losses[0]
        first, last = facts.get("first_loss"), facts.get("last_loss")
        diverged = first is not None and last is not None and not last < first
        steps = int(facts.get("planned_steps") or facts.get("steps") or 0)
        return cls(steps, tuple(losses) if falling else (), diverged, plan, rate)

    @property
    def remarks(self) -> list[str]:
        """Sentences on what should be known of a model that was trained so."""
        remarks = []
        if 0 < self.steps < FEWEST_STEPS:
            remarks.append(
                f"The training was planned with {count(self.steps, 'step')}; fewer than "
                f"{FEWEST_STEPS} teach little{self._more_epochs(FEWEST_STEPS / self.steps)}."
            )
        elif self.falling:
            before, last = self.falling
            remarks.append(
                f"The validation loss still fell at the end of the training ({before:.3g} to "
                f"{last:.3g}); it may not have learned all that it could{self._more_epochs(2)}."
            )
        return remarks

    @property
    def reason(self) -> str:
        """What probably keeps the adapter from being better, with the setting; or nothing."""
        if self.diverged:
            third = f": phi3scaffold set lr={self.rate / 3:.1g}" if self.rate else ""
            return f"the training loss did not fall{third}"
        return " ".join(remark.removesuffix(".") for remark in self.remarks)

    def _more_epochs(self, factor: float) -> str:
        if self.plan is None or self.plan.max_steps:
            steps = math.ceil(self.steps * factor)
            return f": phi3scaffold set max_steps={steps}" if self.plan else ""
        epochs = math.ceil(self.plan.epochs * factor)
        if epochs > MOST_EPOCHS and factor > 2:
            return ": more rows are needed"
        return f": phi3scaffold set epochs={epochs}"
