"""Keep the adapter with the lowest validation loss, and stop when it is not lowered any more.

transformers' own way loads a checkpoint of the same step from the disk, so that it must write one
at each evaluation. Here the best adapter stays in memory, and goes into each checkpoint.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import load_file, save_file

from phi3scaffold.pipeline import ranks
from phi3scaffold.pipeline.events import Emit, Note
from phi3scaffold.training.checkpoints import BEST
from phi3scaffold.training.validation_history import BestStep, best_step


class KeepBest(transformers.TrainerCallback):
    """Holds a copy of the best adapter's weights, and stops the training when patience is out.

    Args:
        model: that is trained; the copy is of the weights that learn.
        patience: evaluations without a lower loss before the training stops; None: it never does.
        emit: takes a note of the stop.
        resumed_from: the checkpoint from which the training resumes.
    """

    def __init__(
        self, model: torch.nn.Module, patience: int | None, emit: Emit, resumed_from: Path | None
    ) -> None:
        self.model, self.patience, self.emit = model, patience, emit
        self.best: BestStep | None = None
        self._weights: dict[str, torch.Tensor] = {}
        if resumed_from and (resumed_from / BEST).is_file():
            self._weights = load_file(resumed_from / BEST)

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.best = best_step(state.log_history)

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.best = best_step(state.log_history)
        if self.best is None:
            return
        if self.best.step == state.global_step:
            self._weights = {
                name: weight.detach().to("cpu", copy=True) for name, weight in self._trained()
            }
        if (
            self.patience is not None
            and self.best.later >= self.patience
            and state.global_step < state.max_steps
        ):
            control.should_training_stop = True
            control.should_save = False  # a run that resumed from here would train on
            text = (
                f"stopped at step {state.global_step} of {state.max_steps}: the validation loss "
                f"has not fallen since step {self.best.step}"
            )
            self.emit(Note("finetune", text))

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self._weights and ranks.here().number == 0:
            name = f"{transformers.trainer_utils.PREFIX_CHECKPOINT_DIR}-{state.global_step}"
            save_file(self._weights, Path(args.output_dir) / name / BEST)

    def restore(self) -> None:
        """Give the model the best weights."""
        with torch.no_grad():
            for name, weight in self._trained() if self._weights else ():
                weight.copy_(self._weights[name])

    def _trained(self) -> list[tuple[str, torch.nn.Parameter]]:
        return [pair for pair in self.model.named_parameters() if pair[1].requires_grad]
