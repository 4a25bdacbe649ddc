"""Ask a server of its own thousands of mutated requests, hang up on it, be slow: it goes on.

``python -m tests.stress.server [--rounds 5000] [--hang-ups 10000]`` prints rows of the table in
docs/reliability.md.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import socket
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil

from tests.conftest import trained
from tests.serving.bad import CHAT, TEXT, requests
from tests.stress.rounds import Row, repeat
from tests.support.server import HELLO, Server, until

HEAD = "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
SCHEMA_WORDS = ("pattern", "allOf", "anyOf", "items", "required", "multipleOf", "minItems", "$ref")
ODD: tuple[Any, ...] = (None, True, -1, 1e308, "", "x" * 300, "^(a|b)*c{9}$", [], {}, 2**63)


def mutate(rng: random.Random) -> tuple[str, bytes]:
    """Return a path and a body: a request of the tests with a schema, values or bytes changed."""
    bad = rng.choice([one for one in requests_of_text() if one.body])
    body = bad.body
    with contextlib.suppress(ValueError, RecursionError):
        value = json.loads(body)
        if isinstance(value, dict):
            if rng.random() < 0.5:
                described = {"name": "x", "schema": schema(rng, 4)}
                value["response_format"] = {"type": "json_schema", "json_schema": described}
                value["messages" if bad.path == CHAT else "prompt"] = (
                    HELLO if bad.path == CHAT else "Hello"
                )
                value["max_tokens"] = rng.choice((1, 8, 30))
            elif value:
                value[rng.choice(list(value))] = rng.choice(ODD)
            body = json.dumps(value).encode()
    if rng.random() < 0.3:
        at = rng.randrange(len(body))
        body = body[:at] + bytes([rng.randrange(256)]) + body[at + rng.randrange(3) :]
    return bad.path, body


def requests_of_text() -> list[Any]:
    return [one for one in requests() if one.path in (CHAT, TEXT) and one.method == "POST"]


def schema(rng: random.Random, depth: int) -> Any:
    """Return a schema of random keywords, some of them with what they may not have."""
    made: dict[str, Any] = {"type": rng.choice(("object", "array", "string", "number", "integer"))}
    for word in rng.sample(SCHEMA_WORDS, rng.randrange(4)):
        if rng.random() < 0.1 or not depth:
            made[word] = rng.choice(ODD)
        elif word in ("allOf", "anyOf"):
            made[word] = [schema(rng, depth - 1) for _ in range(rng.randrange(1, 6))]
        elif word == "items":
            made[word] = schema(rng, depth - 1)
        elif word == "required":
            made[word] = [f"k{number}" for number in range(10 ** rng.randrange(4))]
        elif word == "pattern":
            made[word] = rng.choice(("^a+$", ".*x.{40}", "(a{1,50}){1,50}", "(", "\\p{L}{3,90}"))
        else:
            made[word] = rng.choice((3, 100, 99_991, 0.01, 18_000, "#", "#/items"))
    if depth and rng.random() < 0.5:
        names = [f"k{number}" for number in range(rng.randrange(12))]
        made["properties"] = {name: schema(rng, depth - 1) for name in names}
    return made


def send(server: Server, data: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    connection.sendall(data)
    return connection


def whole(path: str, body: bytes) -> bytes:
    return f"{HEAD.format(path)}Content-Length: {len(body)}\r\n\r\n".encode() + body


def fuzz(server: Server, rounds: int) -> Row:
    def do(number: int) -> str:
        path, body = mutate(random.Random(number))
        reply = server.ask("POST", path, body, {"Content-Type": "application/json"}, timeout=120)
        assert reply.status < 500, f"{reply.status} {path} {body[:1500]!r}"
        return str(reply.status)

    return repeat("mutated requests, half with schemas", rounds, do)


def hang_ups(server: Server, rounds: int) -> Row:
    body = json.dumps({"messages": HELLO, "stream": True}).encode()
    data = whole(CHAT, body)

    def do(number: int) -> str:
        rng = random.Random(number)
        send(server, data[: rng.randrange(len(data) + 1)]).close()
        if number % 500 == 499:
            assert server.chat(timeout=120).status in (200, 429)
        return "hung up"

    return repeat("clients that hang up anywhere", rounds, do)


def slow(server: Server, clients: int) -> Row:
    """Clients that send a byte a second: others get answers, and each is ended."""
    began = time.monotonic()
    data = whole(CHAT, b"{}" * 50)
    open_ones = [send(server, data[: 1 + number % 120]) for number in range(clients)]
    outcomes, failures = Counter[str](), []
    for second in range(25):
        for number, one in enumerate(open_ones):
            with contextlib.suppress(OSError):
                one.sendall(data[121 + second : 122 + second] if number % 2 else b"a")
        if server.chat(timeout=60).status != 200:
            failures.append(f"second {second}: no answer for another client")
        time.sleep(1)
    for number, one in enumerate(open_ones):
        one.settimeout(1)
        try:
            while one.recv(65536):
                pass
            outcomes["ended"] += 1
        except ConnectionError:
            outcomes["ended"] += 1
        except TimeoutError:
            failures.append(f"client {number} is still connected")
        one.close()
    seconds = time.monotonic() - began
    return Row("clients of one byte a second", clients, outcomes, failures, seconds)


def pipelined(server: Server, rounds: int) -> Row:
    def do(number: int) -> str:
        line = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
        upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
        data = line * 20 if number % 2 else line[:-2] + upgrade
        want, reply = (20 if number % 2 else 1), b""
        with send(server, data) as connection:
            while reply.count(b"HTTP/1.1 200 ") < want:
                more = connection.recv(65536)
                assert more, reply[-300:]
                reply += more
        return "20 answers in order" if number % 2 else "no upgrade to websockets"

    return repeat("pipelining and websockets", rounds, do)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5000)
    parser.add_argument("--hang-ups", type=int, default=10_000)
    words = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="served-") as name:
        return stress(trained(Path(name), "lora"), words.rounds, words.hang_ups)


def stress(project: Path, rounds: int, clients: int) -> int:
    """Do all of it to a server of this project; return the exit code."""
    server = Server(project, "--body-timeout", "5").wait()
    process = psutil.Process(server.process.pid)
    server.chat()
    files, memory = process.num_fds(), process.memory_info().rss
    rows = [
        slow(server, 200),
        pipelined(server, 200),
        hang_ups(server, clients),
        fuzz(server, rounds),
    ]
    until(lambda: server.health()["running"] == server.health()["waiting"] == 0, 60)
    time.sleep(6)
    for row in rows:
        print(row, flush=True)
        print("".join(f"  {failure}\n" for failure in row.failures[:5]), end="")
    grown = (process.memory_info().rss - memory) / 2**20
    print(
        f"At the end: {process.num_fds()} open files ({files} at the start), {grown:+.0f} MiB, "
        f"{server.health()['restarts']} restarts of the engine; exit code {server.end()}."
    )
    return int(any(row.failures for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
