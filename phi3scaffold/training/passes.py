"""Olive's training passes with a better Trainer, under the same names.

Olive's LoRA pass hard-codes `transformers.Trainer`; these subclasses train with `AnswerTrainer` and
keep everything else. `olive_runner.PASSES` puts them in the place of Olive's own.
"""

from __future__ import annotations

import logging
import math
import platform
from pathlib import Path
from typing import Any

import torch
import transformers
from olive.model import HfModelHandler
from olive.passes.pytorch import lora as olive

from phi3scaffold.datasets.prepared_rows import TRAIN, spread
from phi3scaffold.pipeline import machine, ranks
from phi3scaffold.pipeline.events import Note
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.training import recomputation
from phi3scaffold.training.best_state import KeepBest
from phi3scaffold.training.checkpoints import ResumePoint, SaveCheckpoints
from phi3scaffold.training.olive_runner import TrainingHooks, TrainingResult
from phi3scaffold.training.packing import IGNORE
from phi3scaffold.training.trainer import AnswerTrainer, ReportSteps

logger = logging.getLogger(__name__)

LOOKED_AT = 1000  # rows, to know how many labels a row has


class _TrainingPass:
    """What all training passes share: the training itself.

    Attributes:
        hooks: set by `run_passes`; plain `olive run` trains without.
        recomputes_as_needed: set by `run_passes` where the config does not say what recomputes.
        result: None until the pass has run.
    """

    hooks = TrainingHooks()
    result: TrainingResult | None = None
    recomputes_as_needed = False

    def load_base_pytorch_model(self, model_handler: Any, config: Any, **kwargs: Any) -> Any:
        """Load the model as Olive does, in float32 where bfloat16 would be emulated.

        Several ranks join here.
        """
        use_cpu = bool(_setting(config, "use_cpu"))
        ranks.join(use_cpu=use_cpu)
        if ranks.here().size > 1 and torch.cuda.is_available() and not use_cpu:
            config.device_map = olive.DeviceMap.CURRENT_DEVICE  # else each takes all GPUs
        if config.torch_dtype == "bfloat16" and not has_bfloat16(use_cpu):
            logger.warning(
                "This processor has no bfloat16: training in float32 takes twice the memory."
            )
            config.torch_dtype = "float32"
        if self.recomputes_as_needed:
            config.training_args.gradient_checkpointing = False  # until `_choose_recomputation`
        return super().load_base_pytorch_model(model_handler, config, **kwargs)  # type: ignore[misc]

    def init_adapters(self, model: Any, config: Any, **kwargs: Any) -> Any:
        """Initialize adapters as Olive does, from the seed of the training arguments.

        Raises:
            ScaffoldError: the model has no module of a name that gets an adapter.
        """
        if not isinstance(self, olive.QLoRA):  # which takes every layer in 4 bits
            _refuse_unknown_modules(config.target_modules, model)
        transformers.set_seed(_setting(config, "seed") or 42)
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
        train = _rows(config.train_data_config)
        assert train is not None
        validation = _rows(config.eval_data_config)
        arguments = config.training_args
        if validation and validation.split == TRAIN:
            validation = None
        arguments.eval_strategy = (arguments.eval_strategy or "epoch") if validation else "no"
        # KeepBest does it: transformers would need a checkpoint at each evaluation
        keeps_best = bool(arguments.extra_args.pop("load_best_model_at_end", False))
        arguments.output_dir = str(Path(output_model_path) / "trainer")
        if config.torch_dtype == "bfloat16":
            arguments.extra_args["bf16"] = True  # Olive loads the weights so, and no more
        arguments = arguments.create_training_args()
        arguments.disable_tqdm = True
        arguments.average_tokens_across_devices = True
        arguments.ddp_find_unused_parameters = False  # every adapter is in every pass
        arguments.ddp_broadcast_buffers = False  # they never change
        arguments.remove_unused_columns = False
        rows_per_step = (
            arguments.per_device_train_batch_size
            * arguments.gradient_accumulation_steps
            * ranks.here().size
        )
        per_step = train.tokens / max(1, math.ceil(len(train) / rows_per_step))
        trainer = AnswerTrainer(
            model=model,
            args=arguments,
            train_dataset=train,
            eval_dataset=validation,
            max_tokens=train.max_tokens,
            callbacks=[ReportSteps(self.hooks.emit, per_step)],
        )
        if self.recomputes_as_needed:
            self._choose_recomputation(trainer, train)
        start = self._resume_point(trainer)
        best = None
        if keeps_best and validation:
            folder = start.folder if start else None
            best = KeepBest(model, self.hooks.patience, self.hooks.emit, folder)
            trainer.add_callback(best)
        if self.hooks.checkpoints:  # last: it moves away what the others have written
            before = start.seconds if start else 0.0
            trainer.add_callback(SaveCheckpoints(self.hooks.checkpoints, before))
        trainer.train(resume_from_checkpoint=str(start.folder) if start else None)
        if best:
            best.restore()
        history = trainer.state.log_history
        self.result = TrainingResult(
            history=history,
            planned_steps=trainer.state.max_steps,
            best=best.best if best else None,
            tokens=round(per_step * trainer.state.global_step),
            seconds=history[-1]["train_runtime"] + (start.seconds if start else 0.0),
            validation_rows=len(validation) if validation else 0,
            computed_per_token=trainer.computed / max(1, trainer.useful),
        )
        adapter = Path(output_model_path) / "adapter"
        model.save_pretrained(adapter, save_embedding_layers=False)
        output_model.set_resource("adapter_path", adapter)
        return output_model

    def _choose_recomputation(self, trainer: AnswerTrainer, rows: _TrainingRows) -> None:
        """Recompute in as many layers as the free memory asks for, and say so."""
        model = trainer.model.get_base_model()
        device, size = trainer.args.device, recomputation.FLOAT32
        if next(model.parameters()).dtype == torch.bfloat16:
            size = recomputation.BFLOAT16
        free = machine.memory()[1] // ranks.here().size
        if device.type == "cuda":
            free = torch.cuda.mem_get_info(device)[0]
        batch = trainer.args.per_device_train_batch_size
        choice = recomputation.choose(
            recomputation.ActivationShape.of(model.config),
            tokens=trainer.pass_tokens,
            row=rows.longest,
            labels=min(trainer.pass_tokens, batch * rows.most_labels()),
            free=free,
            size=size,
        )
        recomputation.apply(model, choice.layers)
        self.hooks.emit(Note("finetune", str(choice)))

    def _resume_point(self, trainer: AnswerTrainer) -> ResumePoint | None:
        """Return where to resume an interrupted training, if there is one."""
        if self.hooks.checkpoints is None:
            return None
        start = self.hooks.checkpoints.restore(Path(trainer.args.output_dir))
        if start:
            text = f"resumes after step {start.step} of an interrupted run"
            self.hooks.emit(Note("finetune", text))
        return start


def _refuse_unknown_modules(wanted: Any, model: Any) -> None:
    """Refuse names of another family's modules: PEFT trains those that it finds, without a word."""
    if not isinstance(wanted, list):
        return
    modules = [name for name, _ in model.named_modules()]
    for name in wanted:
        if not any(module == name or module.endswith(f".{name}") for module in modules):
            raise ScaffoldError(
                f"The model has no module {name!r} that could have an adapter.",
                where="fine-tuning/olive-config.json: target_modules",
                fix="phi3scaffold lint, which names the model's own; lint --fix writes them",
            )


def _setting(config: Any, name: str) -> Any:
    """Return a training argument that Olive has no field of its own for."""
    return (config.training_args.extra_args or {}).get(name)


class _TrainingRows(torch.utils.data.Dataset):
    """The samples of a data config (`data_components.Samples`), as the Trainer takes them."""

    def __init__(self, samples: Any) -> None:
        self.samples = samples
        self.tokens, self.max_tokens = samples.tokens, samples.max_tokens
        self.split: str = samples.rows.split
        self.longest = samples.longest

    def most_labels(self) -> int:
        """Return the most labels that a row has, of some spread over all."""
        looked_at = spread(len(self), LOOKED_AT)
        return max(int((self.samples[index][1] != IGNORE).sum()) for index in looked_at)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        inputs, labels = self.samples[index]
        return {"input_ids": inputs["input_ids"], "labels": labels}


def _rows(data_config: Any) -> _TrainingRows | None:
    """Return the samples of a data config, without Olive's copy into an on-disk dataset."""
    if not data_config:
        return None
    container = data_config.to_data_container()
    return _TrainingRows(container.pre_process(container.load_dataset()))


def has_bfloat16(use_cpu: bool) -> bool:
    """Tell whether the device multiplies bfloat16 natively; emulated, it is many times slower."""
    if torch.cuda.is_available() and not use_cpu:
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if platform.machine().lower() in ("arm64", "aarch64"):
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


class LoRA(_TrainingPass, olive.LoRA):
    """Olive's LoRA (https://arxiv.org/abs/2106.09685), trained by `AnswerTrainer`."""


class QLoRA(_TrainingPass, olive.QLoRA):
    """Olive's QLoRA (https://arxiv.org/abs/2305.14314), trained by `AnswerTrainer`."""


class DoRA(_TrainingPass, olive.DoRA):
    """Olive's DoRA (https://arxiv.org/abs/2402.09353), trained by `AnswerTrainer`."""


class LoHa(_TrainingPass, olive.LoHa):
    """Olive's LoHa (https://arxiv.org/abs/2108.06098), trained by `AnswerTrainer`."""


class LoKr(_TrainingPass, olive.LoKr):
    """Olive's LoKr (https://arxiv.org/abs/2309.14859), trained by `AnswerTrainer`."""
