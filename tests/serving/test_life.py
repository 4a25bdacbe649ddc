"""The queue, clients that hang up, an engine that dies, and the end."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai
import psutil
import pytest

from tests.conftest import command
from tests.support.server import ENDLESS, HELLO, Reply, Server, until


@pytest.fixture(scope="module")
def small(served_project: Path) -> Iterator[Server]:
    """A server whose queue holds three."""
    running = Server(served_project, "--queue", "3").wait()
    yield running
    assert running.end() == 0


def together(*work: Callable[[], object]) -> list[threading.Thread]:
    threads = [threading.Thread(target=one, daemon=True) for one in work]
    for thread in threads:
        thread.start()
    return threads


def hang_up(server: Server, stream: bool) -> socket.socket:
    """A request on a connection of its own, to be closed."""
    body = json.dumps({**ENDLESS, "stream": stream}).encode()
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body)
    return connection


def test_a_full_queue_says_when_to_come_again(small: Server) -> None:
    with ThreadPoolExecutor(8) as pool, small.frozen():
        taken = [pool.submit(small.chat) for _ in range(4)]
        until(lambda: (small.health()["running"], small.health()["waiting"]) == (1, 3))
        refused = small.chat()
        assert refused.status == 429
        assert int(refused.headers["retry-after"]) > 0
        assert refused.json()["error"]["code"] == "queue_full"
        assert small.health()["code"] == 200
        with pytest.raises(openai.RateLimitError):
            small.client().chat.completions.create(model="proj", messages=HELLO)
        small.engine.resume()
        assert [reply.result().status for reply in taken] == [200] * 4
    assert (
        small.metric('phi3scaffold_requests_total{path="/v1/chat/completions",status="429"}') == 2
    )


def test_the_official_client_comes_again_by_itself(small: Server) -> None:
    with ThreadPoolExecutor(8) as pool:
        with small.frozen():
            taken = [pool.submit(small.chat) for _ in range(4)]
            until(lambda: small.health()["waiting"] == 3)
            client = small.client(max_retries=2)
            late = pool.submit(client.chat.completions.create, model="proj", messages=HELLO)
            time.sleep(0.2)
        assert late.result().choices[0].message.content == "joy"
        assert [reply.result().status for reply in taken] == [200] * 4


def test_no_prompt_stands_in_the_engines_command_line(small: Server) -> None:
    (models,) = (json.loads(word) for word in small.engine.cmdline() if word.startswith("["))
    assert [set(model) for model in models] == [{"id", "form", "root", "adapter"}] * len(models)


def test_first_come_first_served(small: Server) -> None:
    order: list[int] = []

    def ask(number: int) -> None:
        # long enough that no thread of ours is late by as much
        assert small.chat(**ENDLESS, max_tokens=200).status == 200
        order.append(number)

    with small.frozen():
        threads = together(lambda: ask(0))
        until(lambda: small.health()["running"] == 1)
        for number in (1, 2, 3):
            threads += together(lambda number=number: ask(number))
            until(lambda number=number: small.health()["waiting"] == number)
    for thread in threads:
        thread.join(20)
    assert order == [0, 1, 2, 3]


@pytest.mark.parametrize("stream", [False, True])
def test_who_hangs_up_while_waiting_frees_the_place(small: Server, stream: bool) -> None:
    with small.frozen():
        (first,) = together(small.chat)
        until(lambda: small.health()["running"] == 1)
        waiting = [hang_up(small, stream) for _ in range(3)]
        until(lambda: small.health()["waiting"] == 3)
        for connection in waiting:
            connection.close()
        until(lambda: small.health()["waiting"] == 0, 2)
    first.join(20)
    assert small.chat().status == 200


@pytest.mark.parametrize("stream", [False, True])
def test_who_hangs_up_frees_the_engine_within_a_token(small: Server, stream: bool) -> None:
    """The next one does not wait for the rest of a long answer."""
    started = time.monotonic()
    tokens = small.chat(**ENDLESS).json()["usage"]["completion_tokens"]
    whole = time.monotonic() - started
    assert tokens > 900

    connection = hang_up(small, stream)
    until(lambda: small.health()["running"] == 1)
    with small.frozen():
        connection.close()
        replies: list[Reply] = []
        (next_one,) = together(lambda: replies.append(small.chat()))
        until(lambda: small.health()["waiting"] == 1)
        time.sleep(0.1)  # the hang-up was noticed before the engine goes on
    started = time.monotonic()
    next_one.join(20)
    assert replies[0].status == 200
    assert time.monotonic() - started < whole / 2
    until(lambda: any(" 499 " in line for line in small.told), 2)


def test_one_client_that_reads_nothing_holds_nobody_up(small: Server) -> None:
    connection = hang_up(small, True)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    assert small.chat().status == 200
    connection.close()


@pytest.mark.parametrize("stream", [False, True])
def test_the_engines_death_is_told_and_healed(small: Server, stream: bool) -> None:
    restarts = small.health()["restarts"]
    engine = small.engine
    engine.suspend()
    with ThreadPoolExecutor(4) as pool:
        hit = pool.submit(small.chat, stream=stream)
        until(lambda: small.health()["running"] == 1)
        waiting = [pool.submit(small.chat) for _ in range(2)]
        until(lambda: small.health()["waiting"] == 2)
        engine.kill()
        reply = hit.result()
        assert reply.status == 500
        assert reply.json()["error"]["code"] == "engine_died"
        assert reply.json()["error"]["type"] == "server_error"
        assert small.health()["code"] == 503
        assert small.health()["status"] == "restarting"
        assert [later.result().status for later in waiting] == [200, 200]
    until(lambda: small.health()["code"] == 200)
    assert small.health()["restarts"] == restarts + 1
    assert small.metric("phi3scaffold_engine_restarts") == restarts + 1
    assert not engine.is_running()  # no zombie either


def test_in_the_middle_of_a_stream_death_is_an_error_event(small: Server) -> None:
    client = small.client()
    with pytest.raises(openai.APIError, match="ended during"):
        stream = client.chat.completions.create(model="proj", stream=True, **ENDLESS)
        next(iter(stream))
        small.engine.kill()
        for _ in stream:
            pass
    until(lambda: small.health()["code"] == 200)
    assert small.chat().status == 200


def test_time_is_limited(own: Callable[..., Server]) -> None:
    server = own("--timeout", "1").wait()
    with ThreadPoolExecutor(4) as pool:
        with server.frozen():
            taken = [pool.submit(server.chat) for _ in range(2)]
            replies = [reply.result() for reply in taken]
        assert [reply.status for reply in replies] == [504, 504]
        assert replies[0].json()["error"]["code"] == "timeout"
    assert server.chat().status == 200
    assert server.end() == 0


def test_sigterm_answers_what_was_taken(own: Callable[..., Server]) -> None:
    server = own().wait()
    with ThreadPoolExecutor(4) as pool:
        with server.frozen():
            taken = [pool.submit(server.chat, stream=stream) for stream in (True, False)]
            until(lambda: server.health()["waiting"] == 1)
            children = psutil.Process(server.process.pid).children()
            server.process.send_signal(signal.SIGTERM)
            until(lambda: server.health()["status"] == "draining")
            assert server.health()["code"] == 503
            refused = server.chat()
            assert (refused.status, refused.json()["error"]["code"]) == (503, "stopping")
        assert [reply.result().status for reply in taken] == [200, 200]
        assert b"data: [DONE]" in taken[0].result().body
    assert server.process.wait(10) == 0
    assert not psutil.wait_procs(children, 5)[1]
    assert not server.trouble


def test_draining_has_an_end(own: Callable[..., Server]) -> None:
    server = own("--drain", "1").wait()
    engine = server.engine
    engine.suspend()
    with ThreadPoolExecutor(4) as pool:
        taken = [pool.submit(server.chat) for _ in range(2)]
        until(lambda: server.health()["waiting"] == 1)
        assert server.end(signal.SIGTERM) == 0
        assert [reply.result().status for reply in taken] == [503, 503]


def test_ctrl_c_twice_ends_at_once(own: Callable[..., Server]) -> None:
    server = own().wait()
    engine = server.engine
    engine.suspend()
    (thread,) = together(lambda: server.chat())
    until(lambda: server.health()["running"] == 1)
    server.process.send_signal(signal.SIGINT)
    until(lambda: server.health()["status"] == "draining")
    started = time.monotonic()
    assert server.end(signal.SIGINT) == 130
    assert time.monotonic() - started < 5
    assert not server.trouble
    thread.join(5)


def test_without_a_reader_of_its_log_it_serves_on(served_project: Path) -> None:
    """As behind `2>&1 | head`: it answers, is healed, and ends when it is told to."""
    read, write = os.pipe()
    server = Server(served_project, stderr=write).wait()
    os.close(write)
    os.close(read)
    assert server.chat().status == 200
    server.engine.kill()
    until(lambda: server.health()["restarts"] == 1 and server.health()["code"] == 200)
    assert server.chat().status == 200
    assert server.end() == 0


def test_when_the_server_is_killed_its_engine_goes_too(own: Callable[..., Server]) -> None:
    server = own().wait()
    engine = server.engine
    server.process.kill()
    server.process.wait()
    assert not psutil.wait_procs([engine], 5)[1]


def test_health_while_it_starts_and_what_it_says(own: Callable[..., Server]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = own("--port", str(port))
    server.port = port
    states: list[tuple[int, str]] = []

    def healthy() -> bool:
        try:
            found = server.health()
        except OSError:
            return False
        states.append((found["code"], found["status"]))
        return found["code"] == 200

    until(healthy, 60, server)
    assert states[0] == (503, "starting")
    server.wait()
    assert server.said[0] == f"serving at http://127.0.0.1:{port}/v1 (Ctrl-C stops it)"
    models = [line.split()[1:3] for line in server.said[1:4]]  # adapters that were exported, too
    assert models == [["proj:", "onnx,"], ["tone:", "onnx-adapter,"], ["other:", "onnx-adapter,"]]
    assert "demonstration model" in server.told[0]
    assert server.said[4] == f"  chat page: http://127.0.0.1:{port}/"
    curl = " ".join(server.said[5:]).replace("\\", "")
    assert curl.strip().startswith(f"curl http://127.0.0.1:{port}/v1/chat/completions")
    if shutil.which("curl"):
        done = subprocess.run(curl, shell=True, capture_output=True, text=True)
        assert json.loads(done.stdout)["object"] == "chat.completion"
    done = command("serve", "--port", str(port), cwd=server.project, check=False)
    assert done.returncode == 2
    assert "Another program listens" in done.stderr
    assert server.end() == 0
    (line,) = [line for line in server.told if "/v1/chat" in line]
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d POST /v1/chat/completions 200 [\d.]+s model=proj prompt=\d+ answer=\d+ "
        r"finish=(stop|length) waited=[\d.]+s",
        line,
    )


def test_an_api_key_from_a_file(own: Callable[..., Server], tmp_path: Path) -> None:
    key = "a-key-that-nobody-knows"
    file = tmp_path / "key"
    file.write_text(key + "\n")
    page = "https://example.org"
    words = ("--host", "0.0.0.0", "--api-key-file", str(file), "--cors-origin", page)
    server = own(*words).wait()
    assert server.ask("GET", "/health").status == 200
    wrong = ("", key, "Bearer ", f"Bearer {key}x", f"Bearer {key[:-1]}", f"Basic {key}", "Bearer é")
    for given in wrong:
        for path in ("/v1/models", "/metrics", "/v1/none"):
            reply = server.ask("GET", path, headers={"Authorization": given.encode()})
            assert reply.status == 401
            assert reply.json()["error"]["code"] == "invalid_api_key"
    asks = {"Origin": page, "Access-Control-Request-Method": "POST"}
    brings = "authorization,content-type,x-stainless-os"  # as OpenAI's client does in a browser
    asks["Access-Control-Request-Headers"] = brings
    assert server.ask("OPTIONS", "/v1/chat/completions", headers=asks).status == 200
    with pytest.raises(openai.AuthenticationError):
        server.client("wrong").models.list()
    assert server.client(key).chat.completions.create(model="proj", messages=HELLO).choices
    assert not any(key in line for line in [*server.said, *server.told])
    assert server.end() == 0


def test_a_model_that_was_made_again_is_told_once_it_is_loaded(
    served_project: Path, tmp_path: Path
) -> None:
    root = tmp_path / "proj"
    shutil.copytree(served_project, root)
    # what lies in the project is not taken for a package of that name
    (root / "onnxruntime_genai.py").write_text("raise SystemExit('not this one')\n")
    server = Server(root).wait()
    try:
        before = server.client().models.retrieve("proj")
        path = next(root.glob("gen-model/*/release.json"))
        release = json.loads(path.read_text())
        path.write_text(json.dumps({**release, "released": False}))
        os.utime(root / "gen-model" / "onnx" / "genai_config.json", (7, 7))
        assert server.client().models.retrieve("proj") == before  # the old one is in memory
        adapters = root / "gen-model" / "onnx-adapter"
        adapters.rename(root / "gone")
        assert [server.chat(model=name).status for name in ("tone", "other", "tone")] == [200] * 3
        (root / "gone").rename(adapters)
        server.engine.kill()
        until(lambda: server.health()["restarts"] == 1 and server.health()["code"] == 200)
        model = server.client().models.retrieve("proj")
        assert model.created == 7
        assert "THE GATE FAILED" in model.remark
        assert [line for line in server.told if line.startswith("warning: THE GATE FAILED")]
        assert server.chat().status == 200
    finally:
        assert server.end() == 0
