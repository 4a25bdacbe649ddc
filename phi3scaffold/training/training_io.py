"""What a stage passes to a training pass, and what it gets back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phi3scaffold.pipeline.events import Emit, ignore

if TYPE_CHECKING:
    from phi3scaffold.training.checkpoints import Checkpoints


@dataclass(frozen=True)
class TrainingHooks:
    """Where a training reports its progress, and where it keeps what it needs to resume.

    Attributes:
        emit: takes the events.
        checkpoints: None for a training that cannot be resumed.
    """

    emit: Emit = ignore
    checkpoints: Checkpoints | None = None


@dataclass(frozen=True)
class TrainingResult:
    """What came of a training.

    Attributes:
        history: the Trainer's log: step, loss, learning rate; a summary at the end.
        tokens: of the rows that it saw; none of them is padding.
        seconds: how long it took, with what was trained before a checkpoint.
    """

    history: list[dict[str, Any]]
    tokens: int
    seconds: float
