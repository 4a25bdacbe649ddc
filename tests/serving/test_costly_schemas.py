"""A schema that costs much, an engine that is stuck, a request that ends it: others get answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.server import HELLO, Reply, Server, until

# The budget refuses the first four; the last one is within it, and takes minutes.
COSTLY: dict[str, dict[str, Any]] = {
    "40 patterns together": {"type": "string", "allOf": [{"pattern": f"x{i}"} for i in range(40)]},
    "500 property patterns": {
        "type": "object",
        "patternProperties": {f"^a{i}x$": {"type": "string"} for i in range(500)},
    },
    "a large multiple": {"type": "integer", "multipleOf": 1_000_003},
    "30,000 names": {"type": "object", "required": [f"k{i}" for i in range(30_000)]},
    "300 multiples": {
        "type": "array",
        "prefixItems": [{"type": "integer", "multipleOf": 99_000 + i} for i in range(300)],
    },
}


@pytest.fixture(scope="module")
def running(served_project: Path) -> Iterator[Server]:
    server = Server(served_project).wait()
    yield server
    assert server.end() == 0
    assert not server.trouble


def ask(server: Server, schema: dict[str, Any], **fields: Any) -> Reply:
    described = {"name": "x", "schema": schema}
    form = {"type": "json_schema", "json_schema": described}
    return server.chat(response_format=form, **fields)


@pytest.mark.parametrize("case", COSTLY)
def test_a_costly_schema_is_refused_while_others_get_answers(running: Server, case: str) -> None:
    engine = running.engine.pid
    with ThreadPoolExecutor(1) as pool:
        costly = pool.submit(ask, running, COSTLY[case])
        slowest, answers = 0.0, 0
        while not costly.done() or not answers:
            began = time.monotonic()
            assert running.chat(max_tokens=4).status == 200
            slowest, answers = max(slowest, time.monotonic() - began), answers + 1
    refused = costly.result()
    assert refused.status == 400, refused.body
    assert refused.json()["error"]["code"] == "invalid_json_schema"
    assert "costs too much" in refused.json()["error"]["message"] or "within 2 s" in str(
        refused.body
    )
    assert slowest < 5
    assert running.engine.pid == engine
    assert running.health()["restarts"] == 0


def test_the_same_schema_is_tried_once(running: Server) -> None:
    schema = {"type": "object", "properties": {"a": {"pattern": "^x+$"}}, "required": ["a"]}
    assert ask(running, schema).status == 200
    process = running.grammars
    used = sum(process.cpu_times()[:2])
    assert ask(running, schema).status == 200
    assert running.grammars == process
    assert sum(process.cpu_times()[:2]) - used < 0.05


def test_the_end_of_the_grammar_process_is_healed(running: Server) -> None:
    assert ask(running, {"pattern": "^y+$"}).status == 200
    running.grammars.kill()
    for letter in "zw":
        reply = ask(running, {"pattern": f"^{letter}{{1,4}}$"})
        assert reply.status in (200, 400)
    assert reply.status == 200
    assert running.health()["restarts"] == 0


def test_a_stuck_engine_is_replaced_within_five_seconds(own: Callable[..., Server]) -> None:
    server = own().wait()
    engine = server.engine
    with ThreadPoolExecutor(2) as pool:
        engine.suspend()
        began = time.monotonic()
        hit = pool.submit(server.chat)
        until(lambda: server.health()["running"] == 1)
        other = pool.submit(server.chat, max_tokens=3)
        assert hit.result().json()["error"]["code"] == "engine_died"
        assert time.monotonic() - began < 8  # five, and a loaded machine
        assert other.result().status == 200
    assert not engine.is_running() or engine.status() == psutil.STATUS_ZOMBIE
    assert any("no sign of life" in line for line in server.told)
    assert server.end() == 0


def test_a_request_that_ends_the_engine_is_refused_the_third_time(
    own: Callable[..., Server],
) -> None:
    server = own().wait()
    turns = [{"role": "user", "content": "This one ends it."}]
    for _ in range(2):
        engine = server.engine
        engine.suspend()
        with ThreadPoolExecutor(2) as pool:
            hit = pool.submit(server.chat, messages=turns)
            until(lambda: server.health()["running"] == 1)
            engine.kill()
            assert hit.result().json()["error"]["code"] == "engine_died"
            began = time.monotonic()
            assert server.chat().status == 200  # at once: what another did costs it no pause
            assert time.monotonic() - began < 15
    refused = server.chat(messages=turns, stream=True)
    assert (refused.status, refused.json()["error"]["code"]) == (400, "request_refused")
    assert (
        server.chat(messages=[*turns, {"role": "assistant", "content": "x"}, *HELLO]).status == 200
    )
    assert server.health()["restarts"] == 2
    assert server.end() == 0
