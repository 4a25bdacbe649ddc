"""One training by one system, in this process; started by training.py, which explains the whole.

    python tests/benchmarks/training_systems.py CASE.json RESULT.json

Every system here is a `transformers.Trainer` underneath. `Clock` is put into its default callbacks,
so none of them is edited to be measured.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

IGNORE = -100
COOKBOOK = {  # microsoft/Phi-3CookBook, olive-ort-example/phrase-classification.json
    "pass": {
        "target_modules": ["o_proj", "qkv_proj"],
        "r": 64,  # lora_r
        "alpha": 64,  # lora_alpha
        "lora_dropout": 0.1,
    },
    "training_args": {
        "data_seed": 42,
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": 4,
        "gradient_checkpointing": False,
        "learning_rate": 0.0001,
        "max_steps": 150,
        "adam_beta2": 0.999,
        "max_grad_norm": 0.3,
    },
    "pre_process": {
        "strategy": "join",  # corpus_strategy
        "max_seq_len": 1024,  # source_max_len
        "pad_to_max_len": False,
        "use_attention_mask": False,
    },
}


class Case:
    """What training.py asks for: attributes are the keys of its JSON file (see training_cases)."""

    system: str
    project: str
    rows: str
    text: str
    text_template: str
    dtype: str | None
    seed: int
    epochs: float
    max_steps: int | None
    whole_cookbook: bool
    evaluate_every: int
    joined_share: float

    def __init__(self, path: Path) -> None:
        self.__dict__.update(json.loads(path.read_text(encoding="utf-8")))
        self.folder = path.parent
        self.rows_of = json.loads(Path(self.rows).read_text(encoding="utf-8"))
        config = json.loads((Path(self.project) / "fine-tuning/olive-config.json").read_text())
        self.olive_config = config
        self.ours = config["passes"]["finetune"]

    def arguments(self) -> dict[str, Any]:
        """The project's training arguments, which every system shares but the cookbook."""
        length = {"num_train_epochs": self.epochs, "max_steps": self.max_steps or -1}
        whole = {"eval_strategy": "no", "save_strategy": "no", "load_best_model_at_end": False}
        return {**self.ours["training_args"], **length, **whole, "seed": self.seed}


class Clock:
    """Seconds of training, tokens that entered the model, and accuracy at fixed steps.

    The clock stands still while accuracy is measured.
    """

    def __init__(self, case: Case) -> None:
        self.case = case
        self.found: dict[str, Any] = {"computed_tokens": 0, "padding": 0, "points": []}
        self.paused = 0.0
        self.started = self.cpu_started = 0.0

    def callback(self) -> type:
        """A TrainerCallback class that feeds this clock."""
        import transformers

        clock = self

        class Feed(transformers.TrainerCallback):
            def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
                backbone = causal_lm(more["model"]).model
                backbone.register_forward_pre_hook(clock.count, with_kwargs=True)
                clock.cpu_started = time.process_time()
                clock.started = time.perf_counter()

            def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
                every = clock.case.evaluate_every
                if every and state.global_step % every == 0:
                    clock.point(more["model"], state.global_step)

            def on_train_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
                ended = time.perf_counter()
                clock.found["train_seconds"] = ended - clock.started - clock.paused
                clock.found["cpu_seconds"] = time.process_time() - clock.cpu_started
                clock.found |= {"steps": state.global_step, "epochs": state.epoch}
                clock.found["peak_bytes"] = peak_bytes()
                if every := clock.case.evaluate_every:
                    if state.global_step % every:
                        clock.point(more["model"], state.global_step)
                    clock.found["accuracy"] = clock.found["points"][-1]["accuracy"]

        return Feed

    def count(self, module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        """Tokens of a training batch: all that are computed, and those that a mask leaves out."""
        if not module.training:
            return
        ids = kwargs.get("input_ids", args[0] if args else None)
        mask = kwargs.get("attention_mask")
        self.found["computed_tokens"] += ids.numel()
        if mask is not None and mask.shape == ids.shape:
            self.found["padding"] += ids.numel() - int(mask.sum())

    def point(self, model: Any, step: int) -> None:
        """Measure accuracy now, with the clock stopped."""
        begun = time.perf_counter()
        seconds = begun - self.started - self.paused
        accuracy = held_out_accuracy(model, self.case.rows_of["held_out"])
        self.found["points"].append({"step": step, "seconds": seconds, "accuracy": accuracy})
        self.paused += time.perf_counter() - begun


def causal_lm(model: Any) -> Any:
    """The Phi3ForCausalLM below PEFT's wrapper."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def held_out_accuracy(model: Any, rows: list[tuple[list[int], list[int]]]) -> float:
    """Share of rows whose greedy answer is the row's own, its end of turn included.

    Greedy generation gives exactly the answer if and only if each token of it is the likeliest
    after the prompt and the answer's tokens before, so one pass over whole rows tells.
    """
    import torch

    inner = causal_lm(model)
    was_training, attention = model.training, inner.config._attn_implementation
    model.eval()
    inner.set_attn_implementation("sdpa")  # the one in place may take packed rows alone
    right = 0
    rows = sorted(rows, key=lambda row: len(row[0]))
    with torch.no_grad():
        for start in range(0, len(rows), 64):
            batch = rows[start : start + 64]
            width = max(len(ids) for ids, _ in batch)
            ids = torch.tensor([ids + [0] * (width - len(ids)) for ids, _ in batch])
            labels = torch.tensor([row + [IGNORE] * (width - len(row)) for _, row in batch])
            mask = torch.tensor([[1] * len(i) + [0] * (width - len(i)) for i, _ in batch])
            hidden = inner.model(input_ids=ids, attention_mask=mask, use_cache=False)[0]
            asked = labels[:, 1:] != IGNORE
            chosen = inner.lm_head(hidden[:, :-1][asked]).argmax(-1)
            wrong = torch.zeros(asked.shape, dtype=torch.bool)
            wrong[asked] = chosen != labels[:, 1:][asked]
            right += int((~wrong.any(1)).sum())
    inner.set_attn_implementation(attention)
    model.train(was_training)
    return right / len(rows)


def peak_bytes() -> int:
    """Peak resident memory of this process."""
    try:
        import resource
    except ImportError:  # Windows
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def ours(case: Case) -> None:
    """`phi3scaffold finetune` of the generated project: its passes, through our subclasses."""
    from phi3scaffold.project.olive_config import load_config
    from phi3scaffold.training.olive_runner import hf_model, keep_scratch_inside, run_passes

    root = Path(case.project)
    settings = {**case.ours, "training_args": case.arguments()}
    if case.dtype:
        settings["torch_dtype"] = case.dtype
    content = {**case.olive_config, "passes": {**case.olive_config["passes"], "finetune": settings}}
    path = case.folder / "olive-config.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    keep_scratch_inside(case.folder)
    base, out = hf_model(root / "model-cache/base"), case.folder / "made"
    run_passes(load_config(path), root, ("finetune",), base, out, case.folder)


def stock_olive(case: Case, settings: dict[str, Any], pre_process: dict[str, Any]) -> None:
    """`olive run` as Olive 0.13 ships it, with one LoRA pass over a jsonl file of text columns."""
    from olive.workflows import run

    settings.setdefault("torch_dtype", case.dtype or "bfloat16")
    settings["training_args"] |= {"seed": case.seed, "use_cpu": True, "save_strategy": "no"}
    cpu = {"device": "cpu", "execution_providers": ["CPUExecutionProvider"]}
    config = {
        "input_model": {
            "type": "HfModel",
            "model_path": str(Path(case.project) / "model-cache/base"),
            "task": "text-generation",
        },
        "systems": {"local_system": {"type": "LocalSystem", "accelerators": [cpu]}},
        "data_configs": [
            {
                "name": "train",
                "type": "HuggingfaceContainer",
                "load_dataset_config": {
                    "data_name": "json",
                    "data_files": case.text,
                    "split": "train",
                },
                "pre_process_data_config": {"text_template": case.text_template, **pre_process},
            }
        ],
        "passes": {"lora": {"type": "LoRA", "train_data_config": "train", **settings}},
        "host": "local_system",
        "target": "local_system",
        "cache_dir": str(case.folder / "cache"),
        "output_dir": str(case.folder / "out"),
        "evaluate_input_model": False,
    }
    outcome = run(config)
    assert outcome.has_output_model(), "Olive wrote nothing"


def olive(case: Case, **changed: Any) -> None:
    """The cookbook's settings under their names of 0.13. torch_dtype is Olive's default there."""
    arguments = {**COOKBOOK["training_args"], **changed}
    if not case.whole_cookbook:
        del arguments["max_steps"]
        arguments["num_train_epochs"] = case.epochs
    settings = {**COOKBOOK["pass"], "training_args": arguments}
    stock_olive(case, settings, COOKBOOK["pre_process"])


def olive_rate(case: Case) -> None:
    """The cookbook's settings with the project's learning rate, which suits the model better."""
    olive(case, learning_rate=case.ours["training_args"]["learning_rate"])


def olive_rows(case: Case, **pre_process: Any) -> None:
    """Stock Olive with the project's LoRA, rate and batch, a row a sequence; loss on all of it."""
    settings = {k: v for k, v in case.ours.items() if k not in ("type", "train_data_config")}
    settings["training_args"] = case.arguments()
    if case.dtype:
        settings["torch_dtype"] = case.dtype
    line = {"strategy": "line-by-line", "max_seq_len": 1024, "add_special_tokens": False}
    stock_olive(case, settings, {"pad_to_max_len": False, **line, **pre_process})


def olive_padded(case: Case) -> None:
    """As `olive_rows`, every row padded to max_seq_len, which is Olive's default."""
    olive_rows(case, pad_to_max_len=True)


def trl(case: Case, **options: Any) -> None:
    """TRL's SFTTrainer: its defaults, with the project's LoRA, batch, rate, schedule and epochs.

    The rows go in tokenized, so that tokens and labels are ours; asserted below.
    """
    import datasets
    import peft
    import trl

    shared = (
        "num_train_epochs",
        "max_steps",
        "per_device_train_batch_size",
        "gradient_accumulation_steps",
        "learning_rate",
        "lr_scheduler_type",
        "warmup_steps",
        "seed",
        "use_cpu",
    )
    given = case.arguments()
    arguments = {name: given[name] for name in shared if name in given}
    arguments |= {"save_strategy": "no", "report_to": "none", "disable_tqdm": True, **options}
    train = case.rows_of["train"]
    trainer = trl.SFTTrainer(
        model=str(Path(case.project) / "model-cache/base"),
        args=trl.SFTConfig(output_dir=str(case.folder / "trainer"), **arguments),
        train_dataset=datasets.Dataset.from_dict(
            {"input_ids": [ids for ids, _ in train], "labels": [labels for _, labels in train]}
        ),
        peft_config=peft.LoraConfig(
            r=case.ours["r"],
            lora_alpha=case.ours["alpha"],
            lora_dropout=case.ours["lora_dropout"],
            target_modules=case.ours["target_modules"],
            task_type="CAUSAL_LM",
        ),
    )
    if not options.get("packing"):
        seen = [[row["input_ids"], row["labels"]] for row in trainer.train_dataset]
        assert seen == train, "TRL trains on other tokens or labels"
    trainer.train()
    trainer.save_model(str(case.folder / "adapter"))


def trl_default(case: Case) -> None:
    """bf16 autocast over float32 weights and gradient checkpointing, which are TRL's defaults."""
    trl(case, **({"bf16": False} if case.dtype == "float32" else {}))


def trl_tuned(case: Case) -> None:
    """The quickest of TRL's documented options on this processor, see training.py."""
    options: dict[str, Any] = {"train_sampling_strategy": "group_by_length"}
    if case.dtype == "float32":
        options["bf16"] = False
    else:
        options["model_init_kwargs"] = {"dtype": "bfloat16"}
    trl(case, gradient_checkpointing=False, **options)


SYSTEMS = {
    "ours": ours,
    "olive": olive,
    "olive-rate": olive_rate,
    "olive-rows": olive_rows,
    "olive-padded": olive_padded,
    "trl": trl_default,
    "trl-tuned": trl_tuned,
}


def main(given: Path, result: Path) -> None:
    from phi3scaffold.pipeline import environment

    environment.prepare()  # the same for all: no telemetry, threads that sleep when they wait
    case = Case(given)
    import transformers

    clock = Clock(case)
    transformers.trainer.DEFAULT_CALLBACKS.append(clock.callback())
    SYSTEMS[case.system](case)
    found = clock.found
    rows = case.rows_of["train"]
    epoch = sum(len(ids) for ids, _ in rows)
    answers = sum(label != IGNORE for _, labels in rows for label in labels)
    if case.system.startswith("olive"):
        share = case.joined_share if case.system in ("olive", "olive-rate") else 1
        useful = (found["computed_tokens"] - found["padding"]) * share
    else:  # whole rows go through, whatever stands beside them
        useful = found["epochs"] * epoch
    found |= {"useful_tokens": useful, "answer_tokens": useful * answers / epoch}
    result.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
