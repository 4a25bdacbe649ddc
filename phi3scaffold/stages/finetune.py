"""`phi3scaffold finetune`: train an adapter by the config's training pass."""

from __future__ import annotations

import json
from pathlib import Path

from phi3scaffold.conversion.adapter_file import CONFIG, normalize_config
from phi3scaffold.conversion.form_files import copy_tokenizer, project_prompt
from phi3scaffold.datasets.prepared_rows import has_validation
from phi3scaffold.datasets.set_findings import complete, why_no_validation
from phi3scaffold.datasets.spec import load_spec
from phi3scaffold.datasets.token_counts import token_counts
from phi3scaffold.models.base_model import (
    BASE_WEIGHTS,
    Base,
    base_family,
    base_shape,
    hash_base_weights,
)
from phi3scaffold.pipeline import machine, ranks
from phi3scaffold.pipeline.events import Note
from phi3scaffold.pipeline.stage import (
    Context,
    Curves,
    Facts,
    Inputs,
    Resources,
    Stage,
    Tracking,
    Work,
)
from phi3scaffold.project.algorithms import ALGORITHMS, Algorithm, algorithm_of
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.files import write_json
from phi3scaffold.project.layout import HISTORY, ROWS_REPORT
from phi3scaffold.project.olive_config import OliveConfig, project_config
from phi3scaffold.project.providers import CUDA
from phi3scaffold.project.settings import Project
from phi3scaffold.stages.measured_memory import GIB, memory_for
from phi3scaffold.training import nf4
from phi3scaffold.training.memory import training_memory
from phi3scaffold.training.olive_runner import (
    TrainingHooks,
    hf_model,
    keep_scratch_inside,
    run_passes,
)
from phi3scaffold.training.recomputation import BFLOAT16, FLOAT32
from phi3scaffold.training.training_work import training_work
from phi3scaffold.training.validation_history import describe_steps

LOAD_BEST = "load_best_model_at_end"  # of training_args
OLIVE = "fine-tuning/olive-config.json"
PATIENCE = "early_stopping_patience"  # of project.yaml


def inputs(project: Project) -> Inputs:
    """Return what decides the prompt, and the training pass."""
    config = project_config(project)
    settings = config.settings_for("finetune")
    if config.training_arguments.get(LOAD_BEST):
        settings[PATIENCE] = project.early_stopping_patience
    return Inputs(files=(project.dataset_yaml,), settings=settings)


def run(context: Context) -> Facts:
    """Write the adapter with its tokenizer, prompt and training history."""
    from phi3scaffold.training.checkpoints import Checkpoints

    project = context.project
    config = project_config(project)
    _refuse(config)
    keep_scratch_inside(context.scratch)
    size = ranks.here().size
    partial, identity = context.partial.parent, context.partial.name
    folder = (project.checkpoints or partial) / identity / f"by-{size}"
    checkpoints = Checkpoints(folder, identity, project.checkpoint_minutes)
    off = _early_stopping_off(project, config)
    if not has_validation(project.rows):
        context.emit(Note("finetune", f"no validation set, so early stopping is off: {off}"))
    names = config.names_for("finetune")
    hooks = TrainingHooks(context.emit, checkpoints, project.early_stopping_patience)
    base, trained_to = hf_model(project.base), context.scratch / "trained"
    trained = run_passes(config, project.root, names, base, trained_to, context.scratch, hooks)
    for file in (trained_to / "adapter").iterdir():
        if file.name != "README.md":  # peft's empty model card
            file.rename(context.out / file.name)
    normalize_config(context.out / CONFIG, Base.of(project))
    copy_tokenizer(project.base, context.out)
    project_prompt(project).save(context.out)
    if config.has_nf4_base:
        write_json(context.out / nf4.FILE, {"quant_type": "nf4", **config.nf4_base()})
    assert trained is not None  # an adapter was written, which only passes that train do
    history = trained.history
    write_json(context.out / HISTORY, history)
    losses = [entry["loss"] for entry in history if "loss" in entry]
    validation = [entry["eval_loss"] for entry in history if "eval_loss" in entry]
    best = trained.best
    summary = history[-1] if history else {}
    return {
        "algo": config.algo,
        "steps": summary.get("step"),
        "planned_steps": trained.planned_steps,
        "best_step": best.step if best else None,
        "early_stopping_off": off,
        "first_loss": losses[0] if losses else None,
        "last_loss": losses[-1] if losses else None,
        "validation_rows": trained.validation_rows,
        "validation_loss": best.loss if best else validation[-1] if validation else None,
        "train_seconds": trained.seconds,
        "tokens": trained.tokens,
        "computed_per_token": round(trained.computed_per_token, 3),
        "processes": size,
        BASE_WEIGHTS: hash_base_weights(project),
    }


def _early_stopping_off(project: Project, config: OliveConfig) -> str:
    """Return why training cannot stop before its last step; empty where it can."""
    arguments = config.training_arguments
    if not has_validation(project.rows):
        report = complete(json.loads((project.rows / ROWS_REPORT).read_text(encoding="utf-8")))
        return why_no_validation(report)
    if not config.training_pass.get("eval_data_config"):
        return "eval_data_config is not set"
    if arguments.get("eval_strategy") == "no":
        return "eval_strategy is no"
    if not arguments.get(LOAD_BEST):
        return f"{LOAD_BEST} is not true"
    return f"{PATIENCE} is null" if project.early_stopping_patience is None else ""


def _refuse(config: OliveConfig) -> None:
    """Raise ScaffoldError for what a training pass cannot do here, though Olive takes it."""
    name = config.names_for("finetune")[0]
    algorithm = algorithm_of(config.algo)
    if algorithm and algorithm.refusal:
        reason, _, remedy = algorithm.refusal.partition("; ")
        raise ScaffoldError(f"{reason}.", where=f"{config.path}: passes.{name}.type", fix=remedy)
    arguments = config.training_arguments
    for key in ("output_dir", "resume_from_checkpoint"):
        if arguments.get(key):
            raise ScaffoldError(
                f"{key} would do nothing here: a training that was ended goes on from checkpoints "
                "that belong to its own rows and settings.",
                where=f"{config.path}: passes.{name}.training_args.{key}",
                fix="remove it",
            )


PEAK = 8.9 * GIB  # bytes at most, with a Phi-3-mini


def memory(project: Project, weights: int) -> int:
    """Return the bytes that training takes; without bfloat16 the weights are in float32."""
    try:
        accelerators = project_config(project).system("host").get("accelerators") or [{}]
    except ScaffoldError:
        accelerators = [{}]
    on_gpu = CUDA in (accelerators[0].get("execution_providers") or ())
    in_float32 = not on_gpu and machine.has_bfloat16() is False
    shape, algorithm = base_shape(project), _algorithm(project)
    if shape is None or algorithm is None:
        return memory_for(weights, PEAK) + (weights if in_float32 else 0)
    modules = base_family(project).target_modules
    return training_memory(shape, modules, algorithm, size=FLOAT32 if in_float32 else BFLOAT16)


def _algorithm(project: Project) -> Algorithm | None:
    """Return the algorithm of the config; LoRA where there is no config yet."""
    try:
        return algorithm_of(project_config(project).algo)
    except ScaffoldError:
        return ALGORITHMS[0]


def work(project: Project, weights: int) -> Work:
    """Return what the training computes, by its rows and its settings."""
    longest = load_spec(project.dataset_yaml).max_tokens
    return training_work(token_counts(project), project_config(project), longest)


def lighter(project: Project, weights: int, most: int) -> str:
    """Return the algorithm that trains in at most so many bytes; "" where none does."""
    shape, family = base_shape(project), base_family(project)
    for algorithm in ALGORITHMS:
        if shape is None or not algorithm.four_bit_base:
            continue
        if training_memory(shape, family.target_modules, algorithm) <= most:
            return f'"type": "{algorithm.olive_type}" for the pass that trains, in {OLIVE}'
    return ""


def disk(project: Project, weights: int) -> int:
    """Return the bytes of the adapter and of the optimizer's state."""
    return weights // 20


def curves(folder: Path) -> Curves:
    """Return the losses, also of steps before a run was resumed, and of validation rows."""
    history = json.loads((folder / HISTORY).read_text(encoding="utf-8"))
    keys = {"loss": "loss", "validation_loss": "eval_loss"}
    return {
        name: [(int(entry["step"]), float(entry[key])) for entry in history if key in entry]
        for name, key in keys.items()
    }


def summary(facts: Facts) -> str:
    """Return the algorithm, and how long and how well it learned."""
    if not facts.get("steps"):
        return ""
    first, last = facts.get("first_loss"), facts.get("last_loss")
    text = f"{facts['algo']}, {describe_steps(facts)}"
    if first is not None and last is not None:
        text += f", loss {first:.3f} -> {last:.3f}"
    if facts.get("validation_loss") is not None:
        text += f", validation {facts['validation_loss']:.3f}"
    elif facts.get("validation_rows") == 0:
        text += ", no validation set"
    if facts.get("tokens") and facts.get("train_seconds"):
        text += f", {facts['tokens'] / facts['train_seconds']:.0f} tok/s"
    return text


STAGE = Stage(
    name="finetune",
    title="training the adapter",
    folder=lambda project: project.adapter,
    inputs=inputs,
    run=run,
    after=("data", "model"),
    packages=("torch", "transformers", "peft", "olive-ai", "bitsandbytes"),
    needs_torch=True,
    parallel=True,
    resources=Resources(memory, disk, work=work, lighter=lighter),
    summary=summary,
    tracking=Tracking(metrics=lambda facts: facts, curves=curves, starts_run=True),
    is_timed=True,
    from_cloud="on_request",
)
