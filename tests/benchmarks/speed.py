"""How long a user waits: the first answer, a second run, help, a new project. Medians of several.

    python tests/benchmarks/speed.py [--runs 3] [--real-runs 1]

Uses the package installed beside this Python, in a temporary folder: with `tiny`, and with
SmolLM2-135M, a real model (left out where its package cannot be had), on the same rows. The goals
are the project's own, for two CPU cores. Nothing here is asserted: the numbers are printed for a
person to read.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MAKER = Path(__file__).resolve().parents[1] / "support" / "smollm2.py"
ANSWERS = ("--algo", "lora", "--target", "cpu", "--task", "classify", "--defaults")
FIRST_ANSWER = "new + finetune + infer"
GOALS = {
    "tiny": {
        "help": 0.3,
        "doctor, no network": 2.0,
        "new": 1.5,
        FIRST_ANSWER: 60.0,
        "finetune, nothing changed": 3.0,
    },
    "SmolLM2-135M": {FIRST_ANSWER: 300.0, "finetune, nothing changed": 3.0},
}


def seconds(*words: str, cwd: Path) -> float:
    """Wall time of one command line. Raises CalledProcessError where it fails."""
    started = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "phi3scaffold", *words],
        cwd=cwd,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.monotonic() - started


def measure(folder: Path, model: str) -> dict[str, float]:
    """One round of everything, in `folder`."""
    project = folder / "proj"
    found = {"help": seconds("--help", cwd=folder)}
    found["new"] = seconds("new", "proj", "--model", model, *ANSWERS, cwd=folder)
    found["doctor, no network"] = seconds("doctor", "--offline", cwd=project)
    found["  of it finetune"] = seconds("run", cwd=project)
    found["  of it infer"] = seconds("infer", "--example", cwd=project)
    found[FIRST_ANSWER] = found["new"] + found["  of it finetune"] + found["  of it infer"]
    found["finetune, nothing changed"] = seconds("run", cwd=project)
    shutil.rmtree(project)
    return found


def table(name: str, rounds: list[dict[str, float]]) -> None:
    """Print a model's medians beside its goals."""
    print(f"\n{name}, {len(rounds)} rounds, seconds")
    print(f"{'':<28}{'median':>8}{'least':>8}{'most':>8}{'goal':>8}")
    for step in rounds[0]:
        times = [found[step] for found in rounds]
        goal = f"{GOALS[name][step]:>8}" if step in GOALS[name] else ""
        print(
            f"{step:<28}{statistics.median(times):>8.2f}{min(times):>8.2f}{max(times):>8.2f}{goal}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="rounds with tiny")
    parser.add_argument("--real-runs", type=int, default=1, help="rounds with SmolLM2-135M")
    args = parser.parse_args()
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}")
    with tempfile.TemporaryDirectory() as folder:
        real = Path(folder) / "SmolLM2-135M"
        for name, runs in (("tiny", args.runs), (real.name, args.real_runs)):
            if name == real.name and runs:
                done = subprocess.run([sys.executable, str(MAKER), str(real)])
                runs = 0 if done.returncode else runs
            rounds = []
            for number in range(runs):
                print(f"{name}: round {number + 1} of {runs}", file=sys.stderr, flush=True)
                rounds.append(measure(Path(folder), str(real) if name == real.name else name))
            if rounds:
                table(name, rounds)


if __name__ == "__main__":
    main()
