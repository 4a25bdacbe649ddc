"""Which learning rate, batch and number of epochs a new project gets: runs on a real model.

    python -m tests.benchmarks.defaults FOLDER [--cells 3]

SmolLM2-135M-Instruct (tests/support/smollm2.py), the sample rows of phrase and tone, as
`phi3scaffold new` writes the config, LoRA in bfloat16. Each cell of `CELLS` is one training in a
process of its own, and a file of FOLDER: what is there already is not trained again. Each is
measured on `HELD_OUT` rows that no cell trains on: the share of rows whose greedy
answer is right, its end of turn included. The table is printed at the end; defaults.md has it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from tests.support import smollm2

SAMPLES = Path(__file__).resolve().parents[2] / "template" / "samples" / "classify"
HELD_OUT = 100
WARM_UP = 0.1


class Cell(NamedTuple):
    """One training: how many rows, and the settings."""

    rows: int
    batch: int
    epochs: int
    rate: float
    warm_up: float = WARM_UP

    @property
    def name(self) -> str:
        return f"{self.rows}-rows-batch-{self.batch}-epochs-{self.epochs}-rate-{self.rate:g}"


CELLS = (
    Cell(240, 16, 2, 2e-4, 10),  # two epochs
    Cell(240, 8, 5, 5e-4),
    Cell(240, 8, 5, 2e-4),
    Cell(240, 8, 5, 1e-3),
    Cell(60, 4, 10, 5e-4),
    Cell(60, 4, 10, 1e-3),
    Cell(240, 8, 5, 1e-4),
    Cell(240, 16, 10, 5e-4),
    Cell(900, 16, 3, 5e-4),
    Cell(900, 16, 3, 1e-3),
    Cell(60, 4, 10, 2e-4),
    Cell(60, 16, 3, 2e-4, 10),  # as version 0.3 would
)


def command(*words: str, cwd: Path) -> None:
    """Run one phi3scaffold command. Raises CalledProcessError where it fails."""
    full = [sys.executable, "-m", "phi3scaffold", *words]
    subprocess.run(full, cwd=cwd, check=True, stdout=subprocess.DEVNULL)


def prepare(folder: Path, rows: int) -> Path:
    """Make a project that trains on the first `rows` sample rows; return it."""
    project = folder / f"project-{rows}"
    if (project / "gen-model" / "data").exists():
        return project
    model = folder / "model"
    if not model.exists():
        smollm2.make(model)
    data = folder / f"rows-{rows}"
    data.mkdir(exist_ok=True)
    for name, count in (("train", rows), ("test", HELD_OUT)):
        source = SAMPLES / {"train": "train.jsonl", "test": "held-out.jsonl"}[name]
        lines = source.read_text(encoding="utf-8").splitlines()[:count]
        (data / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    words = ("--model", str(model), "--data", str(data), "--task", "classify", "--target", "cpu")
    command("new", str(project), "--algo", "lora", *words, "--defaults", "--no-git", cwd=folder)
    spec = project / "datasets" / "dataset.yaml"
    text = spec.read_text(encoding="utf-8").replace("validation: auto", "validation: null")
    spec.write_text(text, encoding="utf-8")
    command("data", cwd=project)
    command("model", cwd=project)
    return project


def train(cell: Cell, project: Path, out: Path) -> None:
    """Train one cell in this process, measure it, and write the result to `out`."""
    from phi3scaffold.pipeline import environment

    environment.prepare()
    import transformers

    from phi3scaffold.datasets.prepared_rows import HELD_OUT as SPLIT
    from phi3scaffold.project.olive_config import load_config
    from phi3scaffold.training.olive_runner import hf_model, keep_scratch_inside, run_passes
    from tests.benchmarks.training_systems import held_out_accuracy

    content = json.loads((project / "fine-tuning" / "olive-config.json").read_text("utf-8"))
    content["passes"]["finetune"]["training_args"] |= {
        "per_device_train_batch_size": cell.batch,
        "num_train_epochs": cell.epochs,
        "learning_rate": cell.rate,
        "warmup_steps": cell.warm_up,
        "eval_strategy": "no",
        "save_strategy": "no",
        "load_best_model_at_end": False,
    }
    content["passes"]["finetune"].pop("eval_data_config", None)
    scratch = out.with_suffix(".scratch")
    scratch.mkdir(exist_ok=True)
    file = scratch / "olive-config.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    found: dict[str, Any] = {}
    rows = tokens_of(project, SPLIT)

    class Look(transformers.TrainerCallback):
        def on_train_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            found["accuracy"] = held_out_accuracy(more["model"], rows)
            found["steps"] = state.global_step

    transformers.trainer.DEFAULT_CALLBACKS.append(Look)
    keep_scratch_inside(scratch)
    started = time.process_time()
    base = hf_model(project / "model-cache" / "base")
    done = run_passes(load_config(file), project, ("finetune",), base, scratch / "made", scratch)
    assert done is not None
    found |= {"tokens": done.tokens, "cpu_seconds": time.process_time() - started}
    found["last_loss"] = [e["loss"] for e in done.history if "loss" in e][-1]
    out.write_text(json.dumps(cell._asdict() | found), encoding="utf-8")


def tokens_of(project: Path, split: str) -> list[tuple[list[int], list[int]]]:
    """Return the rows of a set as (token ids, labels)."""
    from phi3scaffold.datasets.prepared_rows import Prepared

    rows = Prepared(project / "gen-model" / "data", split)
    pairs = [rows[index] for index in range(len(rows))]
    return [(list(map(int, ids)), list(map(int, labels))) for ids, labels in pairs]


def table(folder: Path) -> str:
    """Return the cells that were trained, as a Markdown table."""
    head = ("rows", "batch", "epochs", "steps", "learning rate", "right", "tokens")
    lines = [f"| {' | '.join(head)} |", "|---:" * len(head) + "|"]
    for cell in CELLS:
        path = folder / f"{cell.name}.json"
        if path.exists():
            one = json.loads(path.read_text(encoding="utf-8"))
            lines.append(
                f"| {cell.rows} | {cell.batch} | {cell.epochs} | {one['steps']} | {cell.rate:g} "
                f"| {one['accuracy']:.1%} | {one['tokens']:,} |"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="runs behind the default training settings")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cells", type=int, default=len(CELLS), help="at most so many new ones")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    folder = args.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if args.one is not None:
        cell = CELLS[args.one]
        train(cell, folder / f"project-{cell.rows}", folder / f"{cell.name}.json")
        return
    left = args.cells
    for number, cell in enumerate(CELLS):
        if left and not (folder / f"{cell.name}.json").exists():
            prepare(folder, cell.rows)
            own = [sys.executable, "-m", "tests.benchmarks.defaults", str(folder), "--one"]
            subprocess.run([*own, str(number)], check=True, stdout=subprocess.DEVNULL)
            left -= 1
    print(table(folder))


if __name__ == "__main__":
    main()
