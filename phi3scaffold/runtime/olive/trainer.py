"""The Trainer of our training passes: packed rows, logits only where there is a label."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import transformers

from phi3scaffold.errors import FAILED_RUN, ScaffoldError
from phi3scaffold.runtime.data.pack import IGNORE, pack, packs, row_bounds
from phi3scaffold.runtime.olive import attention
from phi3scaffold.runtime.olive.fused import fuse

# Tokens of a forward pass, where no row is longer: fewer, and the processor waits for memory.
PASS = 1024

Progress = Callable[[dict[str, Any]], None]


class AnswerTrainer(transformers.Trainer):
    """A Trainer that computes no padding, and multiplies by the vocabulary only for labels.

    The rows of a batch are packed; a forward pass takes as many of them as have `PASS` tokens, or
    one row of at most `max_tokens`, so memory does not grow with the batch. The loss is the mean
    over all labels of a step, the same as that of the padded rows. For a prompt of P tokens and an
    answer of A, `lm_head` sees A rows instead of P + A.

    Args:
        max_tokens: the most tokens of one row.
        settings: as `transformers.Trainer` takes them.
    """

    def __init__(self, *, max_tokens: int, **settings: Any) -> None:
        super().__init__(**settings, data_collator=partial(pack, limit=max(max_tokens, PASS)))
        if self.args.device.type == "cpu":
            self.model.get_base_model().set_attn_implementation(attention.NAME)
            fuse(self.model)
        self.model_accepts_loss_kwargs = True  # `compute_loss` divides by all labels of the step

    def training_step(
        self, model: torch.nn.Module, inputs: dict[str, Any], num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """Forward and backward over a batch, pack by pack; returns its share of the loss."""
        passes = list(packs(inputs))
        total: torch.Tensor | float = 0.0
        for number, one in enumerate(passes, start=1):
            last = number == len(passes)
            # several processes exchange their gradients once, whatever their rows' lengths are
            with contextlib.nullcontext() if last else self.accelerator.no_sync(model):
                total = total + super().training_step(model, one, num_items_in_batch)
        assert isinstance(total, torch.Tensor)
        return total

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Cross entropy over the labels ([1, T], -100 left out), divided by the step's labels."""
        targets = inputs["labels"][0, 1:]
        asked = (targets != IGNORE).nonzero()[:, 0]
        with self.accelerator.autocast():
            outputs = model(
                input_ids=inputs["input_ids"],
                position_ids=inputs["position_ids"],
                cu_seq_lens_q=row_bounds(inputs["position_ids"]),
                use_cache=False,
                logits_to_keep=asked,
            )
        loss = torch.nn.functional.cross_entropy(
            outputs.logits[0].float(), targets[asked], reduction="sum"
        )
        loss = loss / (len(asked) if num_items_in_batch is None else num_items_in_batch)
        return (loss, outputs) if return_outputs else loss

    def prediction_step(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        prediction_loss_only: bool,
        ignore_keys: Any = None,
    ) -> tuple[torch.Tensor, None, None]:
        """Held-out loss by the same rule; no logits are kept."""
        inputs = self._prepare_inputs(inputs)
        count = (inputs["labels"][:, 1:] != IGNORE).sum()
        with torch.no_grad():
            losses = [self.compute_loss(model, p, num_items_in_batch=count) for p in packs(inputs)]
        return torch.stack(losses).sum().detach(), None, None


class ReportSteps(transformers.TrainerCallback):
    """Tells the pipeline where the training stands, and stops it when the loss breaks.

    Args:
        progress: takes the events.
        tokens_per_step: how many tokens a step has on average.
    """

    def __init__(self, progress: Progress, tokens_per_step: float) -> None:
        self.progress = progress
        self.tokens_per_step = tokens_per_step
        self.started = time.monotonic()

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.started = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        loss = next((e["loss"] for e in reversed(state.log_history) if "loss" in e), None)
        seconds = max(time.monotonic() - self.started, 1e-9)
        self.progress(
            {
                "kind": "step",
                "step": state.global_step,
                "of": state.max_steps,
                "loss": loss,
                "tokens_per_second": self.tokens_per_step * state.global_step / seconds,
            }
        )

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        loss = (logs or {}).get("loss")
        if loss is not None and not math.isfinite(loss):
            raise ScaffoldError(
                f"The loss is {loss} at step {state.global_step}.",
                where="fine-tuning/olive-config.json: learning_rate",
                fix="lower the learning rate, or train in float32",
                exit_code=FAILED_RUN,
            )
