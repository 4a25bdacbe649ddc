"""Many clients at once for some time, and what they saw."""

from __future__ import annotations

import contextlib
import http.client
import json
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psutil

PATH = "/v1/chat/completions"


@dataclass
class Seen:
    """What the clients and two observers saw.

    Attributes:
        seconds: how long it went on.
        answers: seconds of every whole answer.
        firsts: seconds to the first piece of each answer that was streamed.
        errors: what went wrong, as text.
        health: seconds of every answer of /health.
        memory: MiB of all the server's processes, about once a second.
    """

    seconds: float = 0.0
    answers: list[float] = field(default_factory=list)
    firsts: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    health: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.answers) / self.seconds

    @property
    def growth(self) -> float:
        """MiB by which the last fifth of the time is above the second fifth, by medians."""
        fifth = max(1, len(self.memory) // 5)
        return statistics.median(self.memory[-fifth:]) - statistics.median(
            self.memory[fifth : 2 * fifth]
        )


def percentiles(values: Sequence[float]) -> tuple[float, float, float, float]:
    """The 50th, 95th, 99th and 100th, in milliseconds."""
    ordered = sorted(values) or [float("nan")]
    at = [ordered[min(len(ordered) - 1, int(len(ordered) * p))] for p in (0.5, 0.95, 0.99, 1.0)]
    p50, p95, p99, most = (1000 * value for value in at)
    return p50, p95, p99, most


def load(
    port: int,
    phrases: Sequence[str],
    *,
    clients: int,
    seconds: float,
    stream_every: int = 3,
    process: int | None = None,
    health: str | None = "/health",
    model: str | None = None,
    check: Callable[[dict[str, Any]], bool] = lambda _answer: True,
) -> Seen:
    """Ask 127.0.0.1:`port` from `clients` threads, each on a connection of its own.

    Args:
        phrases: the users' texts; every client takes one after the other.
        stream_every: every so many-th request is streamed; 0: none.
        process: the server's process id, whose memory is looked at.
        health: a path that is asked ten times a second.
        model: what the requests name; None: nothing.
        check: whether a whole answer is right.
    """
    seen = Seen()
    end = time.monotonic() + seconds

    def client(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        count = 0
        while time.monotonic() < end:
            phrase = phrases[(number * 37 + count) % len(phrases)]
            streamed = bool(stream_every) and count % stream_every == stream_every - 1
            count += 1
            turns = [{"role": "user", "content": phrase}]
            body = json.dumps({"model": model, "messages": turns, "stream": streamed})
            started = time.monotonic()
            try:
                connection.request("POST", PATH, body, {"Content-Type": "application/json"})
                reply = connection.getresponse()
                if streamed:
                    first = reply.read1()
                    seen.firsts.append(time.monotonic() - started)
                    text = first + reply.read()
                    right = text.rstrip().endswith(b"data: [DONE]") and b'"error"' not in text
                else:
                    text = reply.read()
                    right = reply.status == 200 and check(json.loads(text))
                if reply.status != 200 or not right:
                    seen.errors.append(f"{reply.status} {text[:200]!r}")
            except (OSError, http.client.HTTPException, ValueError) as error:
                seen.errors.append(repr(error))
                connection.close()
                continue
            seen.answers.append(time.monotonic() - started)
        connection.close()

    def observe_health() -> None:
        while time.monotonic() < end:
            started = time.monotonic()
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            with contextlib.closing(connection):
                try:
                    connection.request("GET", health or "")
                    reply = connection.getresponse()
                    reply.read()
                    if reply.status != 200:
                        seen.errors.append(f"{health}: {reply.status}")
                except OSError as error:
                    seen.errors.append(f"{health}: {error!r}")
            seen.health.append(time.monotonic() - started)
            time.sleep(0.1)

    def observe_memory() -> None:
        top = psutil.Process(process)
        while time.monotonic() < end:
            every = [top, *top.children(recursive=True)]
            with contextlib.suppress(psutil.Error):
                seen.memory.append(sum(one.memory_info().rss for one in every) / 2**20)
            time.sleep(1)

    work: list[Callable[[], None]] = [lambda n=n: client(n) for n in range(clients)]  # type: ignore[misc]
    work += [observe_health] if health else []
    work += [observe_memory] if process is not None else []
    threads = [threading.Thread(target=one, daemon=True) for one in work]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds + 150)
    seen.seconds = time.monotonic() - started
    return seen
