"""How long a user waits: the first answer, a second run, help, a new project. Medians of several.

    python tests/benchmarks/speed.py [--runs 3]

Uses the package installed beside this Python, in a temporary folder; the goals are the project's
own, for two CPU cores. Nothing here is asserted: the numbers are printed for a person to read.
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

TINY = ("--model", "tiny", "--algo", "lora", "--target", "cpu", "--task", "classify", "--defaults")
GOALS = {
    "help": 0.3,
    "doctor, no network": 2.0,
    "new": 1.5,
    "new + finetune + infer": 60.0,
    "finetune, nothing changed": 3.0,
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


def measure(folder: Path) -> dict[str, float]:
    """One round of everything, in `folder`."""
    project = folder / "proj"
    found = {"help": seconds("--help", cwd=folder)}
    found["new"] = seconds("new", "proj", *TINY, cwd=folder)
    found["doctor, no network"] = seconds("doctor", "--offline", cwd=project)
    found["  of it finetune"] = seconds("run", cwd=project)
    found["  of it infer"] = seconds("infer", "--example", cwd=project)
    found["new + finetune + infer"] = (
        found["new"] + found["  of it finetune"] + found["  of it infer"]
    )
    found["finetune, nothing changed"] = seconds("run", cwd=project)
    shutil.rmtree(project)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(args.runs):
            print(f"round {number + 1} of {args.runs}", file=sys.stderr, flush=True)
            rounds.append(measure(Path(folder)))
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, {args.runs} rounds, seconds")
    print(f"{'':<28}{'median':>8}{'least':>8}{'most':>8}{'goal':>8}")
    for name in rounds[0]:
        times = [found[name] for found in rounds]
        goal = f"{GOALS[name]:>8}" if name in GOALS else ""
        print(
            f"{name:<28}{statistics.median(times):>8.2f}{min(times):>8.2f}{max(times):>8.2f}{goal}"
        )


if __name__ == "__main__":
    main()
