"""Many clients for minutes: the server, and LitServe driving the same model, one after the other.

    pip install 'phi3scaffold[train,cpu,serve,dev,bench]'
    python tests/benchmarks/serving.py PROJECT [--clients 32] [--seconds 300] [--batches]

PROJECT is one whose ONNX form was made, such as `make demo` leaves in build/demo. Clients take the
held-out rows, one after the other, every third answer as a stream; meanwhile /health is asked ten
times a second, and the memory of all of a server's processes is looked at once a second. Growth is
what the last fifth of the time has above the second. Exit code 1: an error, or memory that grew.

--batches asks instead what it would bring to answer requests together: those that wait in a queue
of 32 and have prompts of one length (others cannot share a batch: the graph counts positions from
the left edge), as one batch, against one after the other. With tiny on two cores that was 1.14
times as fast (1.8 prompts of one length), which is not worth a queue that is out of order.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.support.load import Seen, load, percentiles  # noqa: E402
from tests.support.server import Server, until  # noqa: E402

GROWTH = 30.0  # MiB
WAITING = 32


def texts(project: Path) -> list[str]:
    """The held-out rows' texts, as a client sends them."""
    from phi3scaffold.datasets.prepared_rows import HELD_OUT, Prepared
    from phi3scaffold.project.settings import load_project

    rows = Prepared(load_project(project).rows, HELD_OUT)
    found = [rows.conversation(row).values for row in range(len(rows))]
    return [next(iter(values.values())) for values in found]


def said_something(answer: dict[str, Any]) -> bool:
    return bool(answer["choices"][0]["message"]["content"])


def ours(project: Path, phrases: list[str], clients: int, seconds: float) -> Seen:
    server = Server(project).wait()
    try:
        return load(
            server.port,
            phrases,
            clients=clients,
            seconds=seconds,
            process=server.process.pid,
            check=said_something,
        )
    finally:
        assert server.end() == 0, server.told


def litserve(project: Path, phrases: list[str], clients: int, seconds: float) -> Seen:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = Path(__file__).with_name("serving_litserve.py")
    process = subprocess.Popen(
        [sys.executable, str(script), str(project), str(port)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # as our own server; and to end all of its processes
    )

    def up() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return True

    try:
        until(up, 60)
        time.sleep(3)  # its workers load the model after it listens
        return load(
            port,
            phrases,
            clients=clients,
            seconds=seconds,
            process=process.pid,
            model="lit",
            check=said_something,
        )
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def show(name: str, seen: Seen) -> None:
    print(
        f"{name}: {len(seen.answers)} answers in {seen.seconds:.0f} s, {seen.rate:.1f}/s, ", end=""
    )
    print(f"{len(seen.errors)} errors {seen.errors[:3] or ''}")
    if seen.memory:
        print(f"  memory {max(seen.memory):.0f} MiB at most, growth {seen.growth:+.1f} MiB")
    for what, values in (
        ("answer", seen.answers),
        ("first piece", seen.firsts),
        ("/health", seen.health),
    ):
        p50, p95, p99, most = percentiles(values)
        print(f"  {what:<12} p50 {p50:7.1f}  p95 {p95:7.1f}  p99 {p99:7.1f}  most {most:7.1f} ms")


def batches(project: Path, phrases: list[str], rounds: int = 60) -> None:
    """Answers a second, alone and together, in turns; the queue is filled at random each time."""
    from phi3scaffold.inference.forms import open_form
    from phi3scaffold.project.settings import load_project

    chance = random.Random(7)
    alone = together = 0.0
    groups = 0
    with open_form("onnx", load_project(project)) as form:
        limit = form.prompt.max_new_tokens
        for _ in range(rounds):
            chosen = chance.sample(phrases, WAITING)
            turns = [[{"role": "user", "content": phrase}] for phrase in chosen]
            queue = [form.encode(form.prompt.conversation(one)) for one in turns]
            started = time.perf_counter()
            for ids in queue:
                form.generate([ids], limit)
            alone += time.perf_counter() - started
            started = time.perf_counter()
            for _, group in groupby(sorted(queue, key=len), key=len):
                form.generate(list(group), limit)
                groups += 1
            together += time.perf_counter() - started
    answers = rounds * WAITING
    print(
        f"alone {answers / alone:.1f}/s, together {answers / together:.1f}/s: "
        f"{alone / together:.2f} times; {answers / groups:.1f} prompts of one length on average"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("project", type=Path)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--batches", action="store_true")
    parser.add_argument("--alone", action="store_true", help="without LitServe")
    args = parser.parse_args()
    if not args.alone and not args.batches and find_spec("litserve") is None:
        parser.error("LitServe is not installed: pip install 'phi3scaffold[bench]', or --alone")
    project = args.project.resolve()
    phrases = texts(project)
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, {args.clients} clients")
    if args.batches:
        batches(project, phrases)
        return 0
    seen = ours(project, phrases, args.clients, args.seconds)
    show("phi3scaffold serve", seen)
    if not args.alone:
        show("LitServe", litserve(project, phrases, args.clients, args.seconds))
    return int(bool(seen.errors) or seen.growth > GROWTH)


if __name__ == "__main__":
    sys.exit(main())
