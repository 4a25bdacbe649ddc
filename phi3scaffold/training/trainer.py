"""The Trainer of our training passes: packed rows, logits only where there is a label."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
import transformers
from transformers.trainer_utils import EvalLoopOutput

from phi3scaffold.pipeline.environment import peak_bytes
from phi3scaffold.pipeline.events import Emit, Step
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError
from phi3scaffold.training import attention
from phi3scaffold.training.fused_layers import fuse
from phi3scaffold.training.fused_norms import fuse_norms
from phi3scaffold.training.fused_rotations import fuse_rotations
from phi3scaffold.training.packing import PASS, pack
from phi3scaffold.training.validation_history import LOSS, best_step


class AnswerTrainer(transformers.Trainer):
    """A Trainer that computes no padding, and multiplies by the vocabulary only for labels.

    The rows of a batch are packed; a forward pass takes as many of them as have `PASS` tokens, or
    one row of at most `max_tokens`, so memory does not grow with the batch. The loss is the mean
    over all labels of a step, the same as that of the padded rows. For a prompt of P tokens and an
    answer of A, `lm_head` sees A rows instead of P + A.
    """

    def __init__(self, *, max_tokens: int, **settings: Any) -> None:
        self.pass_tokens = max(max_tokens, PASS)
        self.computed = self.useful = 0  # tokens so far, of passes and of their rows
        super().__init__(**settings, data_collator=partial(pack, limit=self.pass_tokens))
        self.model.get_base_model().set_attn_implementation(attention.name_for(self.args.device))
        if self.args.device.type == "cpu":
            fuse(self.model)
            fuse_norms(self.model)
            fuse_rotations(self.model)
        self.model_accepts_loss_kwargs = True  # `compute_loss` divides by all labels of the step

    def training_step(
        self, model: torch.nn.Module, inputs: dict[str, Any], num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """Forward and backward over a batch, pack by pack; returns its share of the loss."""
        passes = inputs["passes"]
        self.computed += sum(one["layout"].tokens for one in passes)
        self.useful += inputs["useful"]
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
        """Return the cross entropy of a pass's targets, divided by the number of the step's."""
        total, count, outputs = self.summed_loss(model, inputs)
        loss = total / (count if num_items_in_batch is None else num_items_in_batch)
        loss = loss * self.accelerator.num_processes  # whose mean the gradient is
        return (loss, outputs) if return_outputs else loss

    def summed_loss(
        self, model: torch.nn.Module, inputs: dict[str, Any]
    ) -> tuple[torch.Tensor, int, Any]:
        """Return the loss summed over a pack's labels, their number, and the model's outputs."""
        targets = inputs["targets"]
        with self.accelerator.autocast():
            outputs = model(
                input_ids=inputs["input_ids"],
                position_ids=inputs["position_ids"],
                layout=inputs["layout"],
                use_cache=False,
                logits_to_keep=inputs["sources"],
            )
        loss = torch.nn.functional.cross_entropy(
            outputs.logits[0].float(), targets, reduction="sum"
        )
        return loss, len(targets), outputs

    def evaluation_loop(
        self, dataloader: Any, *_: Any, metric_key_prefix: str = "eval", **__: Any
    ) -> EvalLoopOutput:
        """Compute the validation loss, the mean over all labels of all ranks; keep no logits."""
        self.model.eval()
        sums = torch.zeros(2, dtype=torch.float64, device=self.args.device)
        with torch.no_grad():
            for batch in dataloader:
                for one in self._prepare_inputs(batch)["passes"]:
                    total, count, _outputs = self.summed_loss(self.model, one)
                    sums += torch.stack([total.double(), sums.new_tensor(count)])
        loss, labels = self.accelerator.reduce(sums, "sum").tolist()
        return EvalLoopOutput(
            predictions=None,
            label_ids=None,
            metrics={f"{metric_key_prefix}_loss": loss / max(labels, 1)},
            num_samples=len(dataloader.dataset),
        )

    def get_train_dataloader(self) -> Any:
        """Load each step's rows in one order for all ranks, which the seed decides."""
        return self._loader(self.train_dataset, self._train_batch_size, self.args.seed)

    def get_eval_dataloader(self, eval_dataset: Any = None) -> Any:
        """Load the validation rows, shared by all ranks."""
        return self._loader(eval_dataset or self.eval_dataset, self.args.eval_batch_size, None)

    def _loader(self, rows: Any, batch: int, seed: int | None) -> Any:
        state = self.accelerator.state
        order = StepSampler(len(rows), batch, state.process_index, state.num_processes, seed)
        return EpochLoader(
            rows,
            batch_sampler=order,
            collate_fn=self.data_collator,
            num_workers=self.args.dataloader_num_workers,
            generator=torch.Generator(),  # its own: dropout's goes on as if there were no loader
        )


class StepSampler(torch.utils.data.Sampler[list[int]]):
    """One rank's rows of each step: all ranks together see the same rows, however many they are.

    In the last step of an epoch there may be none for some of them.

    Args:
        batch: rows of a step for each rank.
        seed: of the order, another one in each epoch; None for the rows' own.
    """

    def __init__(self, rows: int, batch: int, rank: int, ranks: int, seed: int | None) -> None:
        self.rows, self.step, self.rank, self.ranks = rows, batch * ranks, rank, ranks
        self.seed, self.epoch = seed, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return math.ceil(self.rows / self.step)

    def __iter__(self) -> Iterator[list[int]]:
        order = list(range(self.rows))
        if self.seed is not None:
            chance = torch.Generator().manual_seed(self.seed + self.epoch)
            order = torch.randperm(self.rows, generator=chance).tolist()
        for begin in range(0, self.rows, self.step):
            yield order[begin : begin + self.step][self.rank :: self.ranks]


class EpochLoader(torch.utils.data.DataLoader[Any]):
    """A DataLoader that passes the epoch to its `StepSampler`."""

    def set_epoch(self, epoch: int) -> None:
        assert isinstance(self.batch_sampler, StepSampler)
        self.batch_sampler.set_epoch(epoch)


class ReportSteps(transformers.TrainerCallback):
    """Reports the training's progress, and stops it when the loss is not a number.

    Args:
        emit: takes the events; ``loss`` is the last one that is known, of ``loss_step``.
        tokens_per_step: on average.
    """

    def __init__(self, emit: Emit, tokens_per_step: float) -> None:
        self.emit, self.tokens_per_step = emit, tokens_per_step
        self.started, self.first = time.monotonic(), 0
        self.loss: float | None = None  # the last that was logged, and at which step
        self.logged = 0
        self.rate: float | None = None
        self.validation: dict[str, Any] = {}  # as `Step` takes it

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.started, self.first = time.monotonic(), state.global_step
        self._look_back(state)

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._look_back(state)
        if self.validation:
            self._report(args, state)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if not control.should_log:  # else `on_log` reports the step with its loss
            self._report(args, state)

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        loss = (logs or {}).get("loss")
        if loss is None:  # of validation rows, or the summary at the end
            return
        if not math.isfinite(loss):
            raise ScaffoldError(
                f"The loss is {loss} at step {state.global_step}.",
                where="fine-tuning/olive-config.json: learning_rate",
                fix="lower the learning rate, or train in float32",
                exit_code=FAILED_RUN,
            )
        self.loss, self.logged = loss, state.global_step
        self.rate = (logs or {}).get("learning_rate")
        self._report(args, state)

    def _look_back(self, state: Any) -> None:
        """Take the last validation loss and the best one from the log of all steps so far."""
        measured = [entry for entry in state.log_history if LOSS in entry]
        best = best_step(measured)
        if measured and best:
            self.validation = {
                "validation_loss": measured[-1][LOSS],
                "validation_step": measured[-1]["step"],
                "best_loss": best.loss,
                "best_step": best.step,
            }

    def _report(self, args: Any, state: Any) -> None:
        seconds = max(time.monotonic() - self.started, 1e-9)
        done = state.global_step - self.first
        on_gpu = args.device.type == "cuda"
        self.emit(
            Step(
                state.global_step,
                state.max_steps,
                loss=self.loss,
                loss_step=self.logged,
                tokens_per_second=self.tokens_per_step * done / seconds,
                learning_rate=self.rate,
                peak_bytes=torch.cuda.max_memory_allocated() if on_gpu else peak_bytes(),
                **self.validation,
            )
        )
