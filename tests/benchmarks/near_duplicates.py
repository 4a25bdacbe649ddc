"""Comparing prompts: seconds and memory of that phase alone, of two checkouts in turn.

    python tests/benchmarks/near_duplicates.py [BEFORE ...] [--rows 100000] [--rounds 3]

BEFORE is the folder of another checkout, to compare with. Two kinds of rows: those of prepare.py,
which are varied, and templates, which are few questions behind greetings and before numbers. A
worker process, whose memory counts too, is the fresh process of each measurement itself.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parents[2]
GREETINGS = ("", "Hi!", "Hello,", "Dear team,", "Please help:", "One more thing:", "Good morning,")
QUESTIONS = 400
EVERY = 0.05  # seconds between two looks at the memory


def templates(count: int) -> Iterator[dict[str, str]]:
    """Rows of few questions in many wordings."""
    from tests.benchmarks.prepare import rows

    chance = random.Random(7)
    asked = list(rows(QUESTIONS))
    for number in range(count):
        row = asked[number % QUESTIONS]
        question = f"{chance.choice(GREETINGS)} {row['question']} (ticket {number})"
        yield {"question": question, "answer": row["answer"]}


def measure_here(folder: Path) -> dict[str, Any]:
    """Prepare the rows of a folder; time and watch the comparison."""
    import psutil

    from phi3scaffold.datasets import preparation
    from phi3scaffold.datasets.spec import load_spec
    from phi3scaffold.models.catalogue import tiny_folder

    process, told = psutil.Process(), {}
    compare = preparation._Preparation.compare

    def watched(*args: Any) -> Any:
        before = peak = process.memory_info().rss
        done = threading.Event()

        def watch() -> None:
            nonlocal peak
            while not done.wait(EVERY):
                peak = max(peak, process.memory_info().rss)

        watcher = threading.Thread(target=watch)
        watcher.start()
        started, used = time.monotonic(), time.process_time()
        try:
            return compare(*args)
        finally:
            told["seconds"] = time.monotonic() - started
            told["cpu"] = time.process_time() - used
            done.set()
            watcher.join()
            told["mib"] = (peak - before) / 2**20

    preparation._Preparation.compare = watched  # type: ignore[method-assign]
    out = folder / "out"
    out.mkdir()
    spec = load_spec(folder / "dataset.yaml")
    report = preparation.prepare(
        spec, tiny_folder(), out, folder / "scratch", lambda event: None, workers=0
    )
    near = report["near_duplicates"]
    return {**told, "groups": near["groups"], "rows": near["rows"]}


def measured(checkout: Path, rows: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in rows.iterdir():
            os.link(file, folder / file.name)
        command = [sys.executable, __file__, "--only", str(folder)]
        environment = {**os.environ, "PYTHONPATH": str(checkout), "HF_HUB_OFFLINE": "1"}
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
        return dict(json.loads(done.stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", nargs="*", type=Path)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        print(json.dumps(measure_here(Path(args.only))))
        return
    sys.path.insert(0, str(HERE))
    from tests.benchmarks import prepare

    print("| rows | checkout | round | seconds | CPU s | MiB more | groups | rows in them |")
    print("|---|---|---|---|---|---|---|---|")
    for kind, made in (("varied", prepare.rows), ("templates", templates)):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            lines = (json.dumps(row) + "\n" for row in made(args.rows))
            (folder / "rows.jsonl").write_text("".join(lines), encoding="utf-8")
            (folder / "dataset.yaml").write_text(prepare.YAML, encoding="utf-8")
            for turn in range(args.rounds):
                for checkout in (*args.before, HERE):
                    told = measured(checkout, folder)
                    print(
                        f"| {kind} | {checkout.name} | {turn + 1} | {told['seconds']:.1f} | "
                        f"{told['cpu']:.1f} | {told['mib']:.0f} | {told['groups']:,} | "
                        f"{told['rows']:,} |",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
