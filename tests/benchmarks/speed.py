"""How long people wait, with tiny, after installation: each against its bound.

    python tests/benchmarks/speed.py [--rounds 3]

Runs the `phi3scaffold` beside this Python. Each number is the median of the rounds; the road
(new, finetune, infer) is run once. Exits with 1 when a bound is missed. Bounds are for two cores.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROGRAM = Path(sys.executable).with_name("phi3scaffold")
# seconds
BOUNDS = {
    "phi3scaffold --help": 0.3,
    "phi3scaffold new": 1.5,
    "new + finetune + infer": 60.0,
    "finetune again, nothing changed": 3.0,
}


def timed(*words: str, cwd: Path) -> float:
    """Seconds of one command. Raises SystemExit with its output where it fails."""
    begun = time.perf_counter()
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - begun
    if done.returncode:
        sys.exit(f"{' '.join(words)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return seconds


def measure(folder: Path, rounds: int) -> dict[str, float]:
    """Seconds by what was done, the keys of `BOUNDS`."""
    program = str(PROGRAM)
    options = ("--model", "tiny", "--algo", "lora", "--target", "cpu", "--defaults")
    helps = [timed(program, "--help", cwd=folder) for _ in range(rounds)]
    news = [timed(program, "new", f"p{i}", *options, cwd=folder) for i in range(rounds)]
    project = folder / "p0"
    os.environ["PATH"] = f"{PROGRAM.parent}{os.pathsep}{os.environ['PATH']}"
    road = timed("make", "finetune", cwd=project) + timed("make", "infer", cwd=project)
    again = [timed("make", "finetune", cwd=project) for _ in range(rounds)]
    seconds = (
        statistics.median(helps),
        statistics.median(news),
        statistics.median(news) + road,
        statistics.median(again),
    )
    return dict(zip(BOUNDS, seconds, strict=True))


def main() -> int:
    parser = argparse.ArgumentParser(description="How long people wait, with tiny.")
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="phi3scaffold-speed-") as folder:
        found = measure(Path(folder), rounds)
    missed = 0
    for name, seconds in found.items():
        late = seconds > BOUNDS[name]
        missed += late
        print(f"{name:34}{seconds:8.2f} s   bound {BOUNDS[name]:g} s{'   MISSED' if late else ''}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
