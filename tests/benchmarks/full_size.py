"""The whole road with a full-size Phi-3-mini, on this machine: time, memory and disk of each stage.

    python tests/benchmarks/full_size.py FOLDER [--algo lora|qlora] [--steps 3] [--rows 4]

FOLDER needs about 30 GB free; the model made there once is used again. Memory is the peak of the
process that ran the stage, disk the most that the project's folder held (its base model is hard
links to the model's files, counted once).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import yaml
from random_phi3_mini import make

from phi3scaffold.evaluation.limits import LIMITS

STAGES = ("data", "model", "finetune", "merge", "export", "evaluate")
PLACES = {
    "data": "gen-model/data",
    "model": "model-cache/base",
    "finetune": "gen-model/adapter",
    "merge": "gen-model/merged",
    "export": "gen-model/onnx",
    "evaluate": "gen-model/evaluation",
}


class DiskWatch(threading.Thread):
    """Samples how many bytes a folder holds, and keeps the most."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.folder = folder
        self.most = 0
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.5):
            self.most = max(self.most, held(self.folder))


def held(folder: Path) -> int:
    """Bytes on disk below `folder`, each inode once."""
    seen: dict[int, int] = {}
    for place, _, files in os.walk(folder):
        for name in files:
            try:
                stat = Path(place, name).lstat()
            except OSError:
                continue
            seen[stat.st_ino] = stat.st_size
    return sum(seen.values())


def phi3scaffold(*words: str, cwd: Path) -> float:
    """Run one command line; returns its seconds. Raises CalledProcessError where it fails."""
    started = time.monotonic()
    subprocess.run([sys.executable, "-m", "phi3scaffold", *words], cwd=cwd, check=True)
    return time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--algo", default="lora")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--rows", type=int, default=4)
    args = parser.parse_args()
    folder = args.folder.resolve()
    model = folder / "phi3-mini-random"
    if not (model / "model.safetensors.index.json").exists():
        print("making the model", flush=True)
        make(model)
    project = folder / f"project-{args.algo}"
    shutil.rmtree(project, ignore_errors=True)
    answers = ("--algo", args.algo, "--target", "cpu", "--task", "classify", "--no-git")
    phi3scaffold("new", str(project), *answers, "--model", str(model), "--defaults", cwd=folder)
    shorten(project, args.steps, args.rows)
    watch = DiskWatch(project)
    watch.start()
    total = phi3scaffold("run", cwd=project)
    again = phi3scaffold("run", cwd=project)
    asked = phi3scaffold("infer", "It rained all day.", "--max-new-tokens", "8", cwd=project)
    watch.ended.set()
    watch.join()
    print(f"\n{'stage':<10}{'seconds':>9}{'peak GiB':>10}{'made GB':>9}")
    for stage in STAGES:
        place = project / PLACES[stage]
        made = json.loads((place / "manifest.json").read_text())
        size = sum(entry["bytes"] for entry in made["files"].values())
        forms = made["facts"].get("forms", {}).values()  # each in a process of its own
        peak = max([made["peak_bytes"], *(form["peak_bytes"] for form in forms)]) / 2**30
        print(f"{stage:<10}{made['seconds']:>9.1f}{peak:>10.2f}{size / 1e9:>9.2f}")
    history = json.loads((project / PLACES["finetune"] / "history.json").read_text())
    print(f"training alone: {history[-1]['train_runtime']:.1f} s for {args.steps} steps")
    print(
        f"the run {total:.0f} s, again with nothing changed {again:.2f} s, an answer {asked:.1f} s"
    )
    print(f"most on disk {watch.most / 2**30:.1f} GiB")


def shorten(project: Path, steps: int, rows: int) -> None:
    """A few training steps and a few held-out rows are enough to see what each stage costs."""
    config = project / "fine-tuning" / "olive-config.json"
    content = json.loads(config.read_text())
    training = next(iter(content["passes"].values()))
    training["training_args"]["max_steps"] = steps
    config.write_text(json.dumps(content, indent=2))
    path = project / "project.yaml"
    settings = yaml.safe_load(path.read_text())
    settings["evaluate"]["rows"] = rows
    settings["gate"] = dict.fromkeys(LIMITS)  # random weights keep no limit
    path.write_text(yaml.safe_dump(settings))


if __name__ == "__main__":
    main()
