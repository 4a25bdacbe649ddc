"""Forecast and outcome side by side: `phi3scaffold plan`, then the run itself.

    python -m tests.benchmarks.forecast FOLDER [--only CASE ...] [--real-model FOLDER] [--first]

Each case is a new project in FOLDER. The real model (tests/support/smollm2.py makes it) trains a
limited number of steps, on short rows and on conversations. What is compared is each stage of ten
seconds and more, and the whole; a machine that has other work is named by its load. With `--first`
the run goes before that work (nice -20), so forecast and interval are those of a quiet machine.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phi3scaffold.models.catalogue import shape_at
from phi3scaffold.pipeline import manifest
from phi3scaffold.project.settings import load_project
from phi3scaffold.stages.graph import STAGES, up_to

LEAST = 10.0  # seconds of a stage that is compared


@dataclass(frozen=True)
class Case:
    """A project: its rows, its algorithm, and how many steps it trains (0: as by default)."""

    task: str
    algo: str
    steps: int = 0
    rows: int = 0

    def make(self, folder: Path, model: str) -> None:
        """Generate the project."""
        words = ("--model", model, "--task", self.task, "--algo", self.algo, "--target", "cpu")
        scaffold("new", str(folder), *words, "--no-git")
        config = folder / "fine-tuning" / "olive-config.json"
        content = json.loads(config.read_text(encoding="utf-8"))
        if self.steps:
            content["passes"]["finetune"]["training_args"]["max_steps"] = self.steps
        config.write_text(json.dumps(content), encoding="utf-8")
        settings = folder / "project.yaml"
        text = settings.read_text(encoding="utf-8").replace("tracking: true", "tracking: false")
        if self.rows:
            text = text.replace("rows: auto", f"rows: {self.rows}")
        settings.write_text(text, encoding="utf-8")


TINY = {"tiny": Case("classify", "lora"), "tiny-qlora": Case("classify", "qlora")}
REAL = {
    "short": Case("classify", "lora", 40, 100),
    "short-qlora": Case("classify", "qlora", 20, 100),
    "conversations": Case("chat", "lora", 15),
}


def scaffold(*words: str, check: bool = True) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "phi3scaffold", *words], capture_output=True, text=True
    )
    if check and done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


def outcome(folder: Path) -> dict[str, manifest.Manifest]:
    """Return stage -> what its manifest says of the run."""
    project = load_project(folder)
    found = {name: manifest.read(STAGES[name].folder(project)) for name in up_to()}
    return {name: record for name, record in found.items() if record}


def compare(name: str, plan: dict[str, Any], records: dict[str, manifest.Manifest]) -> list[float]:
    """Print the lines of a case; return the ratios of outcome to forecast."""
    lines = [
        (line["name"], line["seconds"], line["low"], line["high"], records[line["name"]].seconds)
        for line in plan["stages"]
        if line["name"] in records
    ]
    whole = sum(seconds for *_, seconds in lines)
    lines.append(("in all", plan["seconds"], plan["low"], plan["high"], whole))
    ratios = []
    for stage, seconds, low, high, took in lines:
        if max(took, seconds) < LEAST:
            continue
        ratios.append(took / seconds)
        inside = "yes" if low <= took <= high else "no"
        memory = ""
        if stage in records and records[stage].peak_bytes:
            of = next(line["memory"] for line in plan["stages"] if line["name"] == stage)
            memory = f"{of / 2**30:.2f} / {records[stage].peak_bytes / 2**30:.2f}"
        print(
            f"{name:<14} {stage:<10} {seconds:>7.1f} {low:>7.1f} {high:>7.1f} {took:>7.1f} "
            f"{took / seconds:>6.2f}  {inside:<4} {memory}",
            flush=True,
        )
    return ratios


def on_quiet_machine(plan: dict[str, Any]) -> dict[str, Any]:
    """Return a plan as it would be without other programs (see `forecast._stage`)."""
    slower = 1 + plan["load"]
    stages = []
    for line in plan["stages"]:
        quiet = line["seconds"] / slower
        high = quiet**2 / line["low"] if line["low"] else 0.0  # as far above as `low` is below
        stages.append(line | {"seconds": quiet, "high": high})
    below = math.hypot(*(line["seconds"] - line["low"] for line in stages))
    above = math.hypot(*(line["high"] - line["seconds"] for line in stages))
    whole = plan["seconds"] / slower
    return plan | {"stages": stages, "seconds": whole, "low": whole - below, "high": whole + above}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--real-model", type=Path)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--first", action="store_true")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    assert not args.real_model or shape_at(args.real_model), "no model there"
    cases = {name: (case, "tiny") for name, case in TINY.items()}
    if args.real_model:
        cases |= {name: (case, str(args.real_model.resolve())) for name, case in REAL.items()}
    print(
        "case           stage      forecast    from      to    took  ratio  in   memory / peak, GiB"
    )
    ratios: list[float] = []
    for name, (case, model) in cases.items():
        if args.only and name not in args.only:
            continue
        folder = args.folder / name
        case.make(folder, model)
        plan = json.loads(scaffold("plan", "--json", "--project", str(folder)))
        plan = on_quiet_machine(plan) if args.first else plan
        before = os.getloadavg()[0]
        scaffold("run", "--yes", "--project", str(folder), check=False)
        ratios += compare(name, plan, outcome(folder))
        print(f"{name:<14} load {before:.1f} before, {os.getloadavg()[0]:.1f} after", flush=True)
    print(f"median ratio of outcome to forecast: {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
