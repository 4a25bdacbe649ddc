"""How near training comes to what the processor allows, on a real model and at full size.

    python tests/benchmarks/training_limit.py real [--before CHECKOUT] [--rounds 3] [--steps 16]
    python tests/benchmarks/training_limit.py full [--rounds 3]

`real`: SmolLM2-135M-Instruct with Phi-3's fused projections, and phrases with their tone: rows of
50 to 60 tokens, of which the template's system text is the same in all. `full`: the shape of
Phi-3-mini with random weights, and distinct rows that share nothing.

The limit is the frozen products alone, forward and gradient of the input, in bfloat16, at the
shapes that the rows of a step have when each stands alone. Useful tokens are counted so, too. In
each round the limit, this checkout and the one `--before` are measured in turn, each in a process
of its own; a checkout trains by `phi3scaffold finetune` with the settings that its `new` writes,
but for the number of steps, the batch (16) and the validation (none).
training_limit.md has the results.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
PHRASES = REPOSITORY / "examples/phrase-tone/datasets/train.jsonl"
BATCH = 16
LONGEST = 32  # tokens of a row's own words, so that rows have 50 to 60
FULL_STEPS, FULL_ROWS = 2, 120
LEAST_SECONDS = 5.0  # of the measured products


def products(folder: Path, lengths: list[int]) -> float:
    """Return useful tokens a second of the frozen products of a model at a step's rows."""
    import time

    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(folder)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    shapes = [
        tuple(layer.weight.shape)
        for name, layer in model.named_modules()
        if isinstance(layer, torch.nn.Linear) and name != "lm_head"
    ]
    tokens = sum(lengths[:BATCH])
    weights = {shape: torch.randn(shape).bfloat16() for shape in set(shapes)}
    inputs = {shape: torch.randn(tokens, shape[1]).bfloat16() for shape in weights}
    gradients = {shape: torch.randn(tokens, shape[0]).bfloat16() for shape in weights}

    def step() -> None:
        for shape in shapes:
            inputs[shape] @ weights[shape].t()
        for shape in reversed(shapes):
            gradients[shape] @ weights[shape]

    step()
    steps, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < LEAST_SECONDS:
        step()
        steps += 1
    return steps * tokens / (time.perf_counter() - begun)


def short_phrases(model: Path, path: Path) -> list[int]:
    """Write phrases whose rows have 50 to 60 tokens; return the rows' lengths."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    rows, lengths = [], []
    for line in PHRASES.read_text("utf-8").splitlines():
        row = json.loads(line)
        text = f"{row['phrase']}\nTone:"
        if len(tokenizer.encode(text)) + len(tokenizer.encode(row["tone"])) <= LONGEST:
            turns = [{"role": "user", "content": text}]
            turns.append({"role": "assistant", "content": row["tone"]})
            whole = tokenizer.apply_chat_template(turns, tokenize=False)
            lengths.append(len(tokenizer.encode(whole, add_special_tokens=False)))
            rows.append(line)
    path.write_text("\n".join(rows) + "\n", "utf-8")
    return lengths


def project(folder: Path, checkout: Path, model: Path, rows: Path, steps: int) -> Path:
    """Generate a project with a checkout's own settings, which trains so many steps."""
    phi3scaffold(
        checkout, folder.parent, "new", str(folder), "--model", str(model), "--data", str(rows),
        "--algo", "lora", "--target", "cpu", "--defaults", "--no-git",
    )  # fmt: skip
    path = folder / "fine-tuning/olive-config.json"
    config = json.loads(path.read_text("utf-8"))
    arguments = config["passes"]["finetune"]["training_args"]
    for name in ("eval_steps", "load_best_model_at_end"):
        arguments.pop(name, None)
    arguments |= {
        "max_steps": steps,
        "eval_strategy": "no",
        "save_strategy": "no",
        "per_device_train_batch_size": BATCH,
        "gradient_accumulation_steps": 1,
    }
    path.write_text(json.dumps(config), "utf-8")
    return folder


def trained(folder: Path, checkout: Path) -> dict[str, Any]:
    """Train, and return what the manifest says of it."""
    shutil.rmtree(folder / "gen-model/adapter", ignore_errors=True)
    phi3scaffold(checkout, folder, "finetune")
    manifest = json.loads((folder / "gen-model/adapter/manifest.json").read_text("utf-8"))
    facts = _with(manifest, "train_seconds")
    assert facts is not None
    return {
        "useful tokens/s": facts["tokens"] / facts["train_seconds"],
        "computed per useful token": facts.get("computed_per_token"),
    }


def _with(content: Any, key: str) -> dict[str, Any] | None:
    """Return the object of a JSON value that has a key: manifests of old checkouts differ."""
    if not isinstance(content, dict):
        return None
    if key in content:
        return content
    return next(filter(None, (_with(value, key) for value in content.values())), None)


def phi3scaffold(checkout: Path, cwd: Path, *words: str) -> None:
    """Run a checkout's command line."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "phi3scaffold", *words]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(words)}: {done.stdout}{done.stderr}")


def in_process(*words: str) -> float:
    """Run this script in a process of its own, so that nothing of it stays in memory."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, __file__, *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("setting", choices=("real", "full", "products"))
    parser.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    parser.add_argument("--before", type=Path, help="a checkout to measure in turn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=16)
    args = parser.parse_args()
    if args.setting == "products":
        print(products(Path(args.words[0]), list(map(int, args.words[1].split(",")))))
        return
    with tempfile.TemporaryDirectory(prefix="training-limit-") as scratch:
        folder = Path(scratch)
        model, rows = folder / "model", folder / "rows.jsonl"
        if args.setting == "real":
            sys.path.insert(0, str(REPOSITORY))
            from tests.support.smollm2 import make

            make(model, "phi3")
            lengths, steps = short_phrases(model, rows), args.steps
        else:
            lengths, steps = full_size(model, rows), FULL_STEPS
        checkouts = {"now": REPOSITORY} | ({"before": args.before} if args.before else {})
        projects = {
            name: project(folder / name, checkout, model, rows, steps)
            for name, checkout in checkouts.items()
        }
        found: dict[str, list[float]] = {}
        for _ in range(args.rounds):
            words = ("products", str(model), ",".join(map(str, lengths)))
            found.setdefault("limit", []).append(in_process(*words))
            for name, checkout in checkouts.items():
                result = trained(projects[name], checkout)
                found.setdefault(name, []).append(result["useful tokens/s"])
                print(name, result, flush=True)
    print(f"{len(lengths)} rows of {min(lengths)} to {max(lengths)} tokens, {steps} steps")
    for name, values in found.items():
        share = statistics.median(map(lambda a, b: a / b, values, found["limit"]))
        low, middle, high = min(values), statistics.median(values), max(values)
        print(
            f"{name:8} {middle:8.1f} useful tokens/s ({low:.1f} to {high:.1f}), {share:.2f} of it"
        )


def full_size(model: Path, rows: Path) -> list[int]:
    """Write Phi-3-mini with random weights and distinct rows; return the rows' lengths."""
    from random_phi3_mini import make
    from training_cases import varied_rows
    from transformers import AutoTokenizer

    make(model)
    varied_rows(rows, FULL_ROWS)
    tokenizer = AutoTokenizer.from_pretrained(model)
    lengths = []
    for line in rows.read_text("utf-8").splitlines():
        row = json.loads(line)
        turns = [{"role": "user", "content": row["question"]}]
        turns.append({"role": "assistant", "content": row["answer"]})
        whole = tokenizer.apply_chat_template(turns, tokenize=False)
        lengths.append(len(tokenizer.encode(whole, add_special_tokens=False)))
    return lengths


if __name__ == "__main__":
    main()
