"""Olive's training passes with a better Trainer, under the same names.

Olive's LoRA pass hard-codes `transformers.Trainer`. These subclasses keep everything of theirs
(configuration, quantization, adapters) and train with `AnswerTrainer`: logits only where there is
a label, progress events, and a stop when the loss is not a number. `package_config` puts them in
the place of Olive's own.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import torch
import transformers
from olive.model import HfModelHandler
from olive.passes.pytorch.lora import LoRA as OliveLoRA
from olive.passes.pytorch.lora import QLoRA as OliveQLoRA

from phi3scaffold.errors import FAILED_RUN, ScaffoldError

PASSES = {"lora": "LoRA", "qlora": "QLoRA"}

Progress = Callable[[dict[str, Any]], None]


class _Run:
    """What the current process's training reports to, and what came of it."""

    progress: Progress = staticmethod(lambda event: None)
    history: ClassVar[list[dict[str, Any]]] = []
    tokens: int = 0


def report_to(progress: Progress) -> None:
    """Send the progress of trainings in this process to `progress`."""
    _Run.progress = progress


def training_history() -> list[dict[str, Any]]:
    """The Trainer's log of the last training: step, loss, learning rate; a summary at the end."""
    return copy.deepcopy(_Run.history)


def trained_tokens() -> int:
    """Tokens the last training saw, padding left out."""
    return _Run.tokens


class AnswerTrainer(transformers.Trainer):
    """A Trainer that multiplies by the vocabulary only where there is a label.

    For a prompt of P tokens and an answer of A, `lm_head` sees A rows instead of P + A: the same
    loss, a fraction of the time and memory with a large vocabulary.
    """

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Mean cross entropy over the labels of the batch (labels: batch x length, -100 out)."""
        labels = inputs.pop("labels")
        causal_lm = self.accelerator.unwrap_model(model).get_base_model()
        hidden = causal_lm.model(**inputs, use_cache=False).last_hidden_state
        targets = labels[:, 1:]
        trained = targets != -100
        logits = causal_lm.lm_head(hidden[:, :-1][trained]).float()
        loss = torch.nn.functional.cross_entropy(logits, targets[trained])
        return (loss, {"logits": logits}) if return_outputs else loss

    def prediction_step(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        prediction_loss_only: bool,
        ignore_keys: Any = None,
    ) -> tuple[torch.Tensor, None, None]:
        """Held-out loss by the same rule; no logits are kept."""
        with torch.no_grad():
            loss = self.compute_loss(model, self._prepare_inputs(inputs))
        return loss.detach(), None, None


class ReportSteps(transformers.TrainerCallback):
    """Tells the pipeline where the training stands, and stops it when the loss breaks."""

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


class _Trained:
    """What both passes share: the training itself."""

    collate_batch: Callable[..., dict[str, torch.Tensor]]  # Olive's

    def init_adapters(self, model: Any, config: Any, **kwargs: Any) -> Any:
        """Olive's, from the training arguments' seed: else every run begins elsewhere."""
        transformers.set_seed((config.training_args.extra_args or {}).get("seed", 42))
        return super().init_adapters(model, config, **kwargs)  # type: ignore[misc]

    def train_and_save_new_model(
        self,
        model: Any,
        tokenizer: Any,
        config: Any,
        output_model: HfModelHandler,
        output_model_path: str,
    ) -> HfModelHandler:
        """Train the adapter of `model` (a PeftModel) and write it to `output_model_path`/adapter.

        Raises:
            ScaffoldError: the loss is not a number (exit code 1).
        """
        train, held_out = (
            [{**inputs, "labels": labels} for inputs, labels in dataset] if dataset else None
            for dataset in map(_rendered, (config.train_data_config, config.eval_data_config))
        )
        assert train is not None
        arguments = config.training_args
        arguments.eval_strategy = (arguments.eval_strategy or "epoch") if held_out else "no"
        arguments.output_dir = arguments.output_dir or str(Path(output_model_path) / "trainer")
        arguments = arguments.create_training_args()
        arguments.disable_tqdm = True
        arguments.remove_unused_columns = False
        useful = sum(int(sample["attention_mask"].sum()) for sample in train)
        per_step = useful / max(1, math.ceil(len(train) / _rows_per_step(arguments)))
        trainer = AnswerTrainer(
            model=model,
            args=arguments,
            train_dataset=train,
            eval_dataset=held_out,
            data_collator=partial(self.collate_batch, tokenizer=tokenizer),
            callbacks=[ReportSteps(_Run.progress, per_step)],
        )
        checkpoint = transformers.trainer_utils.get_last_checkpoint(arguments.output_dir)
        trainer.train(resume_from_checkpoint=checkpoint)
        _Run.history[:] = copy.deepcopy(trainer.state.log_history)
        _Run.tokens = round(per_step * trainer.state.global_step)
        adapter = Path(output_model_path) / "adapter"
        model.save_pretrained(adapter, save_embedding_layers=False)
        output_model.set_resource("adapter_path", adapter)
        return output_model


def _rendered(data_config: Any) -> list[tuple[dict[str, Any], Any]] | None:
    """The samples of a data config, past Olive's copy into an on-disk dataset."""
    if not data_config:
        return None
    container = data_config.to_data_container()
    return list(container.pre_process(container.load_dataset()))


def _rows_per_step(arguments: transformers.TrainingArguments) -> int:
    return arguments.per_device_train_batch_size * arguments.gradient_accumulation_steps


class LoRA(_Trained, OliveLoRA):
    """Olive's LoRA (https://arxiv.org/abs/2106.09685), trained by `AnswerTrainer`."""


class QLoRA(_Trained, OliveQLoRA):
    """Olive's QLoRA (https://arxiv.org/abs/2305.14314), trained by `AnswerTrainer`."""


def package_config() -> Any:
    """Olive's package configuration with our passes in place of its own."""
    from olive.package_config import OlivePackageConfig

    config = copy.deepcopy(OlivePackageConfig.load_default_config())
    for key, name in PASSES.items():
        entry = config.passes[key]
        config.passes[key] = entry.model_copy(update={"module_path": f"{__name__}.{name}"})
    return config
