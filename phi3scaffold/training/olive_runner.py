"""Runs some of the user's Olive passes in order, and hides no failure.

Olive's engine exits 0 when a pass fails, keys its cache without the dataset's content, and copies
whole models about. So its configuration and passes are used directly, as by `olive run-pass`.
"""

from __future__ import annotations

import contextlib
import copy
import logging
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from phi3scaffold.pipeline.events import Emit, ignore
from phi3scaffold.project.algorithms import ALGORITHMS
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError
from phi3scaffold.project.olive_config import OliveConfig
from phi3scaffold.project.providers import CPU
from phi3scaffold.project.quantizers import QUANTIZERS
from phi3scaffold.training.validation_history import BestStep

if TYPE_CHECKING:
    from phi3scaffold.training.checkpoints import Checkpoints

# Olive's pass, in small letters -> the class that runs in its place.
PASSES = {
    **{
        one.name: f"phi3scaffold.training.passes.{one.olive_type}"
        for one in ALGORITHMS
        if not one.refusal
    },
    **{one.name: one.pass_class for one in QUANTIZERS if one.pass_class},
}
IGNORED_KEY = ("gnoring", "not part of", "is not a field of")


@dataclass(frozen=True)
class TrainingHooks:
    """What a training has around it.

    Attributes:
        emit: takes its progress.
        checkpoints: from which it may resume.
        patience: evaluations without a lower validation loss before it stops; None: all steps.
    """

    emit: Emit = ignore
    checkpoints: Checkpoints | None = None
    patience: int | None = None


@dataclass(frozen=True)
class TrainingResult:
    """What came of a training.

    Attributes:
        history: the Trainer's log: step, loss, learning rate; a summary at the end.
        planned_steps: those that it would have made without early stopping.
        tokens: of the rows that it saw; none of them is padding.
        seconds: how long it took, with what was trained before a checkpoint.
        validation_rows: on how many rows the validation loss was computed.
        best: the step whose adapter was kept; None for the last one.
        computed_per_token: tokens that were computed for each of `tokens`; less than 1 where rows
            share what they begin with.
    """

    history: list[dict[str, Any]]
    planned_steps: int
    tokens: int
    seconds: float
    computed_per_token: float
    validation_rows: int = 0
    best: BestStep | None = None


def load_run_config(config: OliveConfig, root: Path) -> Any:
    """Return the file as Olive's `RunConfig`.

    Olive resolves its paths against the current folder. A key that it only warns about is an error:
    a setting without effect is a mistake.

    Raises:
        ScaffoldError: Olive refuses the file, or would silently ignore one of its keys.
    """
    import pydantic
    from olive.workflows.run.config import RunConfig

    with contextlib.chdir(root), collected_warnings() as warnings:
        try:
            run_config = RunConfig.model_validate(copy.deepcopy(config.content))
        except (pydantic.ValidationError, ValueError, TypeError, KeyError) as error:
            raise ScaffoldError(f"Olive refuses the config: {error}", where=config.path) from error
        accelerator = accelerator_of(config)
        for settings in (s for group in run_config.passes.values() for s in group):
            _create_pass(settings, accelerator)
    ignored = [text for text in warnings if any(mark in text for mark in IGNORED_KEY)]
    if ignored:
        raise ScaffoldError(
            f"Olive would silently ignore a setting: {ignored[0]}",
            where=config.path,
            fix="remove the key, or write its name as Olive 0.13 does (fine-tuning/README.md)",
        )
    return run_config


def accelerator_of(config: OliveConfig) -> Any:
    """Return Olive's accelerator spec: the device and execution provider of the config."""
    from olive.hardware.accelerator import AcceleratorSpec

    chosen = (config.system("target").get("accelerators") or [{}])[0]
    providers = chosen.get("execution_providers") or [CPU]
    return AcceleratorSpec(chosen.get("device", "cpu"), providers[0])


def run_passes(
    config: OliveConfig,
    root: Path,
    names: tuple[str, ...],
    model: Any,
    out: Path,
    scratch: Path,
    hooks: TrainingHooks | None = None,
) -> TrainingResult | None:
    """Run the passes `names` on an Olive model handler; the last one writes into `out`.

    Args:
        root: the project's root, which the file's paths are relative to.
        names: pass names, in order.
        model: an Olive `HfModelHandler`.
        out: an empty folder on the project's disk.
        scratch: a folder on the same disk for intermediate results.
        hooks: for a pass that trains.

    Returns:
        What the pass that trains tells of it, if there is one.

    Raises:
        ScaffoldError: the config is wrong (exit code 2), or a pass wrote nothing (exit code 1).
    """
    run_config = load_run_config(config, root)
    accelerator = accelerator_of(config)
    previous: Path | None = None
    trained: TrainingResult | None = None
    for index, name in enumerate(names):
        last = index == len(names) - 1
        folder = out if last else scratch / "passes" / name
        folder.mkdir(parents=True, exist_ok=True)
        settings = run_config.passes[name][0]
        pass_ = _create_pass(settings, accelerator)
        if hooks is not None:
            pass_.hooks = hooks
        # told here: in the pass's own settings Olive has put its default, which recomputes all
        arguments = (settings.config or {}).get("training_args") or {}
        pass_.recomputes_as_needed = "gradient_checkpointing" not in arguments
        with contextlib.chdir(root):
            result = pass_.run(model, str(folder))
        trained = getattr(pass_, "result", trained)
        wrote = any(folder.iterdir())
        # SelectiveMixedPrecision writes nothing: it notes something for the passes after it
        handed_on = result.model_path == model.model_path and not last
        model = result
        if not wrote and not handed_on:
            raise ScaffoldError(
                f"Olive's pass {name} ({settings.type}) wrote nothing.",
                where=f"{config.path}: passes.{name}",
                exit_code=FAILED_RUN,
            )
        if not wrote:
            folder.rmdir()
            continue
        if previous is not None:
            shutil.rmtree(previous)
        previous = None if last else folder
    return trained


def hf_model(folder: Path, adapter: Path | None = None, **load_kwargs: Any) -> Any:
    """Return an Olive handler for a model folder, with an adapter over it if there is one."""
    from olive.model import HfModelHandler

    return HfModelHandler(
        model_path=str(folder),
        task="text-generation",
        adapter_path=None if adapter is None else str(adapter),
        load_kwargs=load_kwargs or None,
    )


def _create_pass(settings: Any, accelerator: Any) -> Any:
    """Return the pass of Olive's `RunPassConfig`, which validates its settings."""
    pass_class = package_config().import_pass_module(settings.type.lower())
    values = pass_class.generate_config(
        accelerator, copy.deepcopy(settings.config or {}), disable_search=True
    )
    return pass_class(accelerator, values)


def package_config() -> Any:
    """Return Olive's package configuration with the passes of `PASSES` in place of its own."""
    from olive.package_config import OlivePackageConfig

    class Ours(OlivePackageConfig):
        # Olive keeps the passes that were imported for all its configurations together, and takes
        # by that name whichever came first.
        _pass_modules: ClassVar[dict[str, type]] = {}

    config = Ours.model_validate(OlivePackageConfig.load_default_config().model_dump())
    for name, path in PASSES.items():
        config.passes[name] = config.passes[name].model_copy(update={"module_path": path})
    return config


@contextlib.contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """Collect the warnings that Olive logs inside the block."""
    texts: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            texts.append(record.getMessage())

    logger = logging.getLogger("olive")
    handler = Collector(level=logging.WARNING)
    logger.addHandler(handler)
    try:
        yield texts
    finally:
        logger.removeHandler(handler)


def keep_scratch_inside(folder: Path) -> None:
    """Point the caches of Olive's dependencies into `folder`, so that a run leaves none behind."""
    os.environ["HF_DATASETS_CACHE"] = str(folder / "datasets")
    os.environ["OLIVE_CACHE_DIR"] = str(folder / "olive")
