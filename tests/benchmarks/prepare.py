"""Preparing many rows: rows a second and memory, beside Olive's own pre-processing of the same.

    python tests/benchmarks/prepare.py [--rows 200000 500000 1000000] [--olive 50000 100000]

Writes rows of about 300 bytes of jsonl (synthetic and varied, with duplicates, near duplicates,
contradictions and e-mail addresses among them), prepares them with the tokenizer of `tiny` in a
process of its own, as the stage does, and lets Olive read, render and tokenize the first of the
same rows in another. Olive holds all rows in memory, so it is given fewer. Memory is the sum over
all processes: proportional (shared pages counted once) and resident (counted in each).
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LIMIT = 1.5 * 2**30  # bytes: the goal for the peak
GROWTH = 300  # bytes a row: the goal for its growth
SPEED = 8000  # rows a second: the goal, on two cores
EVERY = 1.0  # seconds between two looks at the memory, which cost some time themselves
MAX_TOKENS = 512
TEMPLATE = "<|user|>\n{question}<|end|>\n<|assistant|>\n{answer}<|end|>\n"
YAML = f"""task: qa
files: {{train: [rows.jsonl], held_out: 0.05}}
turns:
  - user: "{{question}}"
  - assistant: "{{answer}}"
max_tokens: {MAX_TOKENS}
"""


def rows(count: int, seed: int = 42) -> Iterator[dict[str, str]]:
    """Questions and answers of common and rare words; some as people should not have them."""
    chance = random.Random(seed)
    words = vocabulary(chance)
    weights = list(itertools.accumulate(1 / (rank + 8) for rank in range(len(words))))
    kept: list[dict[str, str]] = []
    for number in range(count):
        said = chance.choices(words, cum_weights=weights, k=chance.randint(20, 62))
        cut = len(said) * 2 // 3
        row = {"question": sentence(said[:cut]) + "?", "answer": sentence(said[cut:]) + "."}
        kind = number % 200
        if kept and kind == 50:
            row = dict(kept[number % len(kept)])
        elif kept and kind == 100:
            before = kept[number % len(kept)]["question"]
            row["question"] = before[:-1] + f", {chance.choice(words)}?"
        elif kept and kind == 150:
            row["question"] = kept[number % len(kept)]["question"]
        elif kind == 199:
            row["answer"] += f" Write to {chance.choice(words)}@{chance.choice(words)}.org."
        if kind < 20 and len(kept) < 2000:
            kept.append(row)
        yield row


def vocabulary(chance: random.Random) -> list[str]:
    """Words as frequent as they stand here: those of the example rows, then made-up rarer ones."""
    example = Path(__file__).parents[2] / "examples/phrase-tone/datasets/train.jsonl"
    phrases = [json.loads(line)["phrase"] for line in example.read_text("utf-8").splitlines()]
    seen: dict[str, int] = {}
    for word in re.findall(r"[a-z]+", " ".join(phrases).lower()):
        seen[word] = seen.get(word, 0) + 1
    common = sorted(seen, key=lambda word: (-seen[word], word))
    parts = [word for word in common if 2 <= len(word) <= 5]
    return common + ["".join(chance.choices(parts, k=2)) for _ in range(20_000)]


def sentence(words: list[str]) -> str:
    return " ".join(words).capitalize()


def prepare_here(folder: Path) -> dict[str, Any]:
    from phi3scaffold.datasets.preparation import prepare
    from phi3scaffold.datasets.spec import load_spec
    from phi3scaffold.models.catalogue import tiny_folder

    out = folder / "out"
    out.mkdir()
    spec = load_spec(folder / "dataset.yaml")
    report = prepare(spec, tiny_folder(), out, folder / "scratch", lambda event: None)
    return {"seconds": report["seconds"], "rows": report["rows"], "told_peak": report["peak_bytes"]}


def olive_here(folder: Path) -> dict[str, Any]:
    from olive.data.config import DataConfig

    from phi3scaffold.models.catalogue import tiny_folder

    config = DataConfig(
        name="rows",
        type="HuggingfaceContainer",
        load_dataset_config={
            "data_name": "json",
            "data_files": str(folder / "rows.jsonl"),
            "split": "train",
        },
        pre_process_data_config={
            "model_name": str(tiny_folder()),
            "task": "text-generation",
            "type": "text_generation_huggingface_pre_process",
            "text_template": TEMPLATE,
            "add_special_tokens": False,
            "strategy": "line-by-line",
            "max_seq_len": MAX_TOKENS,
            "pad_to_max_len": False,
        },
    )
    started = time.monotonic()
    container = config.to_data_container()
    made = container.pre_process(container.load_dataset())
    return {"seconds": time.monotonic() - started, "rows": {"train": len(made)}}


SYSTEMS = {"phi3scaffold": prepare_here, "olive": olive_here}


def measured(system: str, folder: Path) -> dict[str, Any]:
    """Run a system in a process of its own and look at the memory of it and all it started."""
    environment = {
        **os.environ,
        "HF_HOME": str(folder / "hf"),  # no cache of an earlier run
        "HF_HUB_OFFLINE": "1",
        "OLIVE_DISABLE_TELEMETRY": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    found = folder / f"{system}.json"
    command = [sys.executable, __file__, "--only", system, str(folder), str(found)]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    peaks = {"pss": 0, "rss": 0, "processes": 0}
    before = os.times()
    while process.poll() is None:
        look(process.pid, peaks)
        time.sleep(EVERY)
    after = os.times()
    worked = after.children_user + after.children_system
    worked -= before.children_user + before.children_system
    if process.returncode:
        assert process.stderr is not None
        raise RuntimeError(process.stderr.read()[-4000:])
    return {**json.loads(found.read_text(encoding="utf-8")), **peaks, "worked": worked}


def look(root: int, peaks: dict[str, int]) -> None:
    """Raise `peaks` to what the process and its children hold now."""
    import psutil

    now = {"pss": 0, "rss": 0, "processes": 0}
    try:
        first = psutil.Process(root)
        for process in (first, *first.children(recursive=True)):
            memory = process.memory_full_info()
            now["pss"] += getattr(memory, "pss", memory.rss)  # Linux alone knows it
            now["rss"] += memory.rss
            now["processes"] += 1
    except psutil.Error:  # it has just ended
        return
    for name, value in now.items():
        peaks[name] = max(peaks[name], value)


def write_rows(folder: Path, count: int) -> int:
    """`count` rows and their dataset.yaml; returns the bytes of the rows."""
    file = folder / "rows.jsonl"
    with file.open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(row) + "\n" for row in rows(count))
    (folder / "dataset.yaml").write_text(YAML, encoding="utf-8")
    return file.stat().st_size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="*", default=[200_000, 500_000, 1_000_000])
    parser.add_argument("--olive", type=int, nargs="*", default=[50_000, 100_000])
    parser.add_argument("--folder", help="where the rows and results go (default: temporary)")
    parser.add_argument("--only", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        system, folder, found = args.only
        Path(found).write_text(json.dumps(SYSTEMS[system](Path(folder))), encoding="utf-8")
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(f"{cores} cores, load {os.getloadavg()[0]:.1f} before, Python {sys.version.split()[0]}")
    print(
        f"{'':<14}{'rows':>10}{'MB':>7}{'seconds':>9}{'rows/s':>8}{'CPU s':>8}"
        f"{'PSS MiB':>9}{'RSS MiB':>9}{'processes':>11}"
    )
    peaks: dict[str, dict[int, int]] = {}
    sizes = [("olive", count) for count in args.olive]
    sizes += [("phi3scaffold", count) for count in args.rows]
    for system, count in sorted(sizes, key=lambda size: size[1]):
        with tempfile.TemporaryDirectory(dir=args.folder) as folder:
            size = write_rows(Path(folder), count)
            told = measured(system, Path(folder))
        peaks.setdefault(system, {})[count] = told["pss"]
        print(
            f"{system:<14}{count:>10,}{size / 1e6:>7.0f}{told['seconds']:>9.1f}"
            f"{count / told['seconds']:>8.0f}{told['worked']:>8.1f}{told['pss'] / 2**20:>9.0f}"
            f"{told['rss'] / 2**20:>9.0f}{told['processes']:>11}",
            flush=True,
        )
    for system, found in peaks.items():
        counts = sorted(found)
        for less, more in itertools.pairwise(counts):
            growth = (found[more] - found[less]) / (more - less)
            print(f"{system}: from {less:,} to {more:,} rows {growth:.0f} bytes a row more")
    print(
        f"goals: peak below {LIMIT / 2**20:.0f} MiB, less than {GROWTH} bytes a row more, "
        f"at least {SPEED} rows/s on two cores"
    )


if __name__ == "__main__":
    multiprocessing.freeze_support()
    main()
