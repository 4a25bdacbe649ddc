"""Training beside stock Olive and TRL: tokens a second, seconds to the same accuracy, memory.

    pip install 'phi3scaffold[train,cpu,bench]'
    python tests/benchmarks/training.py [--rounds 3] [--only tiny ours trl] [--json OUT]

Same model, same rows, same CPU; each training in a process of its own, the systems taking turns,
each round with another seed. Medians, with the least and the most. Two settings:

- `tiny`: the embedded model and the example rows, two epochs; nothing stops early.
- `larger`: 134 million random weights with Phi-3's vocabulary, 64 rows of 30 to 500 tokens of
  which 70 % are prompt; one epoch with a new project's settings for a full-size model.

Systems:

- `ours`: what `phi3scaffold finetune` does: the generated config, through our passes.
- `olive`: stock Olive 0.13 with the cookbook's own settings under their names of today
  (microsoft/Phi-3CookBook, code/04.Finetuning/olive-ort-example/phrase-classification.json):
  text_template "<|user|>\\n{phrase}<|end|>\\n<|assistant|>\\n{tone}<|end|>", corpus_strategy join,
  source_max_len 1024, pad_to_max_len false, use_attention_mask false; target_modules o_proj and
  qkv_proj, lora_r 64, lora_alpha 64, lora_dropout 0.1; batch 1, gradient_accumulation_steps 4,
  gradient_checkpointing false, learning_rate 1e-4, max_steps 150, max_grad_norm 0.3. What it leaves
  open is Olive's default: bfloat16, "<s> " and " <|endoftext|>" around each text.
- `olive-rate`: the same with the project's learning rate; 1e-4 is for models a thousand times the
  size of `tiny`.
- `olive-padded`: a row a sequence, padded to 1,024 as Olive 0.13 does unless told not to, with our
  LoRA, rate and batch. A few steps only: it is slow.
- `olive-rows`: the same, padded to the longest of the batch and grouped by length, as well as stock
  Olive can. It trains on the prompts too: it has no labels for answers alone.
- `trl`: TRL's SFTTrainer, its defaults (float32 weights under bfloat16 autocast, gradient
  checkpointing), with our LoRA, batch, rate, schedule, epochs, tokens and labels.
- `trl-tuned`: the same, with those of its documented options that were the quickest here: no
  checkpointing, rows grouped by length, bfloat16 weights. Its padding_free and packing run on a CPU
  as well, but its mask over the packed row costs more than the padding did.

Columns: *useful tokens* are the rows' own, without padding and without what a system puts between
rows; *answer tokens* are those of them that the loss should fall on. *Seconds to 95 %* are of
training alone, until the held-out accuracy (greedy, exact) first reaches it, looked at every few
steps with the clock stopped. *All* is the wall time of the whole process. *Peak* is its resident
memory. The ratio is ours to that system, in useful tokens a second and in seconds to 95 %.

Nothing is asserted but that all see the same rows: the numbers are for a person to read.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
GOAL = 0.95
KEY = "goal_seconds"
HEAD = (
    "system",
    "useful tokens/s",
    "answer tokens/s",
    "computed per useful",
    "s to 95 %",
    "accuracy",
    "peak MB",
    "all s",
    "ours: tokens/s",
    "ours: to 95 %",
)


class Run(NamedTuple):
    """One line of the table.

    Attributes:
        system: a key of training_systems.SYSTEMS.
        dtype: what it is told to train in; None where that is its own affair.
        max_steps: its limit, where a whole training would take too long.
        evaluate_every: steps between two looks at the accuracy; 0 for none.
        twice: whether speed and memory are measured in a training of their own, as they are
            unless it would take too long.
    """

    system: str
    dtype: str | None = None
    max_steps: int | None = None
    evaluate_every: int = 0
    twice: bool = True

    @property
    def name(self) -> str:
        return self.system + (f" {self.dtype}" if self.dtype else "")


RUNS = {
    "tiny": (
        Run("ours", evaluate_every=5),
        Run("olive", evaluate_every=50),
        Run("olive-rate", evaluate_every=10, twice=False),
        Run("olive-padded", max_steps=6),
        Run("olive-rows", evaluate_every=5),
        Run("trl", evaluate_every=5),
        Run("trl-tuned", evaluate_every=5),
    ),
    "larger": tuple(
        Run(system, dtype, max_steps=1 if system == "olive-padded" else None)
        for dtype in ("bfloat16", "float32")
        for system in ("ours", "olive", "olive-padded", "trl", "trl-tuned")
    ),
}
EPOCHS = {"tiny": 2, "larger": 1}


def train(setting: Path, run: Run, seed: int, evaluate: bool) -> dict[str, Any]:
    """One training in a process of its own; what it found, and its wall seconds."""
    case = json.loads((setting / "case.json").read_text(encoding="utf-8"))
    case |= run._asdict() | {"seed": seed, "epochs": EPOCHS[setting.name]}
    if not evaluate:
        case["evaluate_every"] = 0
    with tempfile.TemporaryDirectory(dir=setting) as name:
        given, result = Path(name, "case.json"), Path(name, "result.json")
        given.write_text(json.dumps(case), encoding="utf-8")
        started = time.perf_counter()
        script("training_systems.py", given, result)
        seconds = time.perf_counter() - started
        return {**json.loads(result.read_text(encoding="utf-8")), "wall_seconds": seconds}


def script(name: str, *arguments: str | Path) -> None:
    """Run a script beside this one; its output is shown only where it fails.

    Raises CalledProcessError.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        command = [sys.executable, str(HERE / name), *map(str, arguments)]
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT)
        if done.returncode:
            output.seek(0)
            print(output.read()[-4000:], file=sys.stderr)
            done.check_returncode()


def one_round(setting: Path, runs: list[Run], seed: int) -> dict[str, dict[str, Any]]:
    """Every run of a setting once; those that can be judged a second time, for their accuracy."""
    found = {}
    for run in runs:
        print(f"  {setting.name} {run.name}", file=sys.stderr, flush=True)
        made = train(setting, run, seed, evaluate=not run.twice)
        if run.evaluate_every:
            judged = train(setting, run, seed, evaluate=True) if run.twice else made
            reached = [p["seconds"] for p in judged["points"] if p["accuracy"] >= GOAL]
            made |= {"accuracy": judged["accuracy"], "points": judged["points"]}
            made[KEY] = reached[0] if reached else None
        found[run.name] = made
    return found


def table(rounds: list[dict[str, dict[str, Any]]]) -> str:
    """The rounds of one setting as a Markdown table."""
    lines = ["| " + " | ".join(HEAD) + " |", "|---|" + "---:|" * (len(HEAD) - 1)]
    for name in rounds[0]:
        every = [found[name] for found in rounds]
        ours = " ".join(["ours", *name.split()[1:]])  # the one of the same dtype
        answers = statistics.median(r["answer_tokens"] / r["train_seconds"] for r in every)
        computed = statistics.median(r["computed_tokens"] / r["useful_tokens"] for r in every)
        accuracy = [r["accuracy"] for r in every if "accuracy" in r]
        cells = [
            name,
            spread(rate(rounds, name), "{:,.0f}"),
            f"{answers:,.0f}",
            f"{computed:.2f}",
            goal(every),
            f"{statistics.median(accuracy):.1%}" if accuracy else "-",
            f"{statistics.median(r['peak_bytes'] for r in every) / 1e6:,.0f}",
            spread([r["wall_seconds"] for r in every], "{:.0f}"),
            rate_ratio(rounds, ours, name),
            goal_ratio(rounds, ours, name),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def rate(rounds: list[dict[str, dict[str, Any]]], name: str) -> list[float]:
    """Useful tokens a second, a round each."""
    return [found[name]["useful_tokens"] / found[name]["train_seconds"] for found in rounds]


def spread(values: list[float], form: str) -> str:
    """The median, and the least and the most where there are several."""
    middle = form.format(statistics.median(values))
    if len(values) == 1:
        return middle
    return f"{middle} ({form.format(min(values))}-{form.format(max(values))})"


def goal(every: list[dict[str, Any]]) -> str:
    """Seconds to the goal; or that it was not reached, in how many rounds."""
    if not any(KEY in found for found in every):
        return "-"
    reached = [found[KEY] for found in every if found[KEY] is not None]
    if len(reached) < len(every):
        return f"never in {len(every) - len(reached)} of {len(every)}"
    return spread(reached, "{:.1f}")


def rate_ratio(rounds: list[dict[str, dict[str, Any]]], ours: str, name: str) -> str:
    """How many times as quick ours is: the median of the rounds' ratios."""
    if ours not in rounds[0]:
        return "-"
    pairs = zip(rate(rounds, ours), rate(rounds, name), strict=True)
    return f"{statistics.median(own / other for own, other in pairs):.1f}x"


def goal_ratio(rounds: list[dict[str, dict[str, Any]]], ours: str, name: str) -> str:
    """How many times as soon ours is at the goal."""
    both = [(found[name].get(KEY), found.get(ours, {}).get(KEY)) for found in rounds]
    if any(None in pair for pair in both):
        return "-"
    return f"{statistics.median(other / own for other, own in both):.1f}x"


def chosen(words: set[str]) -> dict[str, list[Run]]:
    """The runs of each setting that the words name; a kind of which none is named is whole.

    Raises ValueError where a word names nothing.
    """
    everything = [run for runs in RUNS.values() for run in runs]
    systems = {run.system for run in everything}
    dtypes = {run.dtype for run in everything if run.dtype}
    if unknown := words - systems - dtypes - set(RUNS):
        raise ValueError(f"no setting, system or dtype is called {', '.join(sorted(unknown))}")
    return {
        name: [
            run
            for run in runs
            if run.system in (words & systems or systems)
            and (run.dtype or "") in (words & dtypes or {*dtypes, ""})
        ]
        for name, runs in RUNS.items()
        if name in (words & set(RUNS) or RUNS)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=[], help="settings, systems or dtypes")
    parser.add_argument("--json", type=Path, help="write every number here as well")
    args = parser.parse_args()
    try:
        runs_of = chosen(set(args.only))
    except ValueError as error:
        parser.error(str(error))
    found: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as name:
        for setting in runs_of:
            print(f"making {setting}", file=sys.stderr, flush=True)
            script("training_cases.py", setting, Path(name, setting))
        for number in range(args.rounds):
            print(f"round {number + 1} of {args.rounds}", file=sys.stderr, flush=True)
            for setting, runs in runs_of.items():
                made = one_round(Path(name, setting), runs, 42 + number)
                found.setdefault(setting, []).append(made)
                if args.json:
                    args.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    print(f"{machine}, {args.rounds} rounds, medians (least-most)")
    for setting, rounds in found.items():
        print(f"\n{setting}\n\n{table(rounds)}")


if __name__ == "__main__":
    main()
