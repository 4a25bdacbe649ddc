"""What the validation losses of a training say: which step was the best, and when to stop.

Everything is computed from the Trainer's log, which each checkpoint holds: a training that resumes
decides as one that was never interrupted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from phi3scaffold.project.formatting import count

LOSS = "eval_loss"  # its key in the Trainer's log


@dataclass(frozen=True)
class BestStep:
    """The step with the lowest validation loss.

    Attributes:
        step: the first with this loss.
        loss: in nats a token.
        later: evaluations after it.
    """

    step: int
    loss: float
    later: int


def best_step(history: Sequence[Mapping[str, Any]]) -> BestStep | None:
    """Return the best step of a Trainer's log; None where no finite validation loss is in it."""
    losses = [(one[LOSS], one["step"]) for one in history if LOSS in one]
    finite = [pair for pair in losses if math.isfinite(pair[0])]
    if not finite:
        return None
    loss, step = min(finite)
    return BestStep(int(step), float(loss), sum(at > step for _, at in losses))


def describe_steps(facts: Mapping[str, Any]) -> str:
    """Say how many steps a training made, and whose adapter it kept, of the facts of finetune."""
    steps, planned, best = (facts.get(key) for key in ("steps", "planned_steps", "best_step"))
    text = count(steps or 0, "step")
    if steps and planned and steps < planned:
        text = f"stopped at step {count(steps)} of {count(planned)}"
    return f"{text}, best at {count(best)}" if best and best != steps else text
