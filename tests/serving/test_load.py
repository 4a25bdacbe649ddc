"""Thirty-two clients for twenty seconds; tests/benchmarks/serving.py takes longer."""

from __future__ import annotations

import json

from tests.support.load import load, percentiles
from tests.support.server import Server


def test_many_clients_at_once(server: Server) -> None:
    rows = (server.project / "datasets" / "held-out.jsonl").read_text(encoding="utf-8")
    phrases = [json.loads(line)["phrase"] for line in rows.splitlines()]
    seen = load(
        server.port,
        phrases,
        clients=32,
        seconds=20,
        process=server.process.pid,
        check=lambda answer: answer["choices"][0]["message"]["content"].isalpha(),
    )
    assert seen.errors == []
    assert len(seen.answers) > 100
    assert len(seen.firsts) > 30
    assert len(seen.health) > 50
    assert percentiles(seen.health)[1] < 1000  # the server answers while the engine works
    assert seen.growth < 20
    assert server.health()["running"] == server.health()["waiting"] == 0
