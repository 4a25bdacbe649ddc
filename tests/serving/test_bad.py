"""Bad requests: the right status, OpenAI's format, and a server that is none the worse for it."""

from __future__ import annotations

import contextlib
import json
import socket
import time

import psutil
import pytest

from tests.serving.bad import Bad, requests
from tests.support.server import HELLO, Server, until

REQUESTS = requests()


def test_there_are_200_of_them() -> None:
    assert len({(bad.method, bad.path, bad.body, str(bad.headers)) for bad in REQUESTS}) >= 200


@pytest.mark.parametrize("bad", REQUESTS, ids=[bad.name for bad in REQUESTS])
def test_bad_request(server: Server, bad: Bad) -> None:
    process = server.engine.pid
    reply = server.ask(bad.method, bad.path, bad.body, bad.headers)
    assert reply.status == bad.status, reply.body
    assert reply.headers["content-type"] == "application/json"
    (error,) = reply.json().values()
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert error["code"] == bad.code
    assert isinstance(error["message"], str)
    assert 5 < len(error["message"]) < 600
    assert "llguidance" not in error["message"]
    assert len(error["param"] or "") <= 200
    if bad.param is not None:
        assert error["param"] == bad.param
    assert server.health()["code"] == 200
    assert server.engine.pid == process


def test_tools_are_refused_with_what_to_do(server: Server) -> None:
    message = server.chat(tools=[{"type": "function"}]).json()["error"]["message"]
    assert "Leave it out" in message
    assert "response_format" in message


def test_it_still_answers(server: Server) -> None:
    assert server.chat().json()["choices"][0]["message"]["content"] == "joy"
    assert server.health()["restarts"] == 0
    assert not server.trouble


@pytest.mark.parametrize(
    "text",
    [
        "🙂" * 50,
        "\u202e\u200b\ufeff",
        "e\u0301",
        "\r\n\t\x0b\x1b[31m",
        "{phrase}",
        "漢字",
        "\u2028.",
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_odd_texts_are_only_texts(server: Server, text: str, stream: bool) -> None:
    turns = [{"role": "user", "content": text}]
    reply = server.chat(messages=turns, stream=stream)
    assert reply.status == 200, reply.body


@pytest.mark.parametrize("text", ["", " ", "\u2028"])
def test_an_empty_prompt_is_refused(server: Server, text: str) -> None:
    reply = server.chat(messages=[{"role": "user", "content": text}])
    assert reply.status == 400 and b"The prompt is empty" in reply.body


def slowly(server: Server, begin: bytes, rest: bytes) -> bytes:
    """Send a beginning and then nothing; what comes back."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(begin)
        reply = b""
        with contextlib.suppress(ConnectionError):
            while chunk := connection.recv(4096):
                reply += chunk
                if rest:
                    connection.sendall(rest)
        return reply


HEAD = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
)


def test_a_body_that_never_comes_does_not_wait_for_ever(server: Server) -> None:
    started = time.monotonic()
    reply = slowly(server, HEAD + b"Content-Length: 500\r\n\r\n{", b"")
    assert reply.startswith(b"HTTP/1.1 408 ")
    assert json.loads(reply.partition(b"\r\n\r\n")[2])["error"]["code"] == "timeout"
    assert 1.5 < time.monotonic() - started < 6
    assert server.health()["code"] == 200


def test_a_connection_without_a_request_is_closed(server: Server) -> None:
    """Silent from the first, in the midst of headers, or drop by drop after an answer."""
    whole = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    connections = [
        socket.create_connection(("127.0.0.1", server.port), timeout=10) for _ in range(3)
    ]
    connections[1].sendall(whole[:-2])
    connections[2].sendall(whole)
    reply = b""
    while not reply.endswith(b"}"):
        reply += connections[2].recv(4096)
    for byte in whole[:3]:
        time.sleep(0.4)
        connections[2].sendall(bytes([byte]))
    for connection in connections:
        with connection:
            assert connection.recv(4096) == b""


def test_who_takes_no_answer_is_cut_off(server: Server) -> None:
    """Thousands of requests in one go, and not a byte is read."""
    process = psutil.Process(server.process.pid)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", server.port))
        connection.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            connection.send(b"GET /chat.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3000)
        port = connection.getsockname()[1]

        def there() -> bool:
            found = process.net_connections("tcp")
            return any(one.raddr and one.raddr.port == port for one in found)

        until(there)
        until(lambda: not there(), 15)
    assert server.health()["code"] == 200


def test_an_endless_body_is_not_read_to_its_end(server: Server) -> None:
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    reply = slowly(server, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 6, b"")
    assert reply.startswith(b"HTTP/1.1 413 ")
    assert server.health()["code"] == 200


@pytest.mark.parametrize(
    "junk",
    [
        b"\0" * 100,
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\x00" * 20,
        HEAD.replace(b"Host", b"H(st") + b"\r\n",
    ],
)
def test_what_is_no_http_is_cut_off(server: Server, junk: bytes) -> None:
    assert slowly(server, junk, b"").startswith((b"HTTP/1.1 400 ", b""))
    assert server.health()["code"] == 200


@pytest.mark.parametrize("version", ["1.2", "2.0", "3.1", "0.9"])
def test_an_unknown_http_version_is_refused(server: Server, version: str) -> None:
    head = f"GET /health HTTP/{version}\r\nHost: localhost\r\n\r\n".encode()
    reply = slowly(server, head, b"")
    assert reply.startswith(b"HTTP/1.1 505 ")
    assert json.loads(reply.partition(b"\r\n\r\n")[2])["error"]["code"] == "http_version"


@pytest.mark.parametrize("count", [101, 10_000])
def test_thousands_of_headers_are_refused(server: Server, count: int) -> None:
    head = b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + b"a:\r\n" * count + b"\r\n"
    reply = slowly(server, head, b"")
    assert reply.startswith(b"HTTP/1.1 431 ")
    assert json.loads(reply.partition(b"\r\n\r\n")[2])["error"]["code"] == "too_many_headers"
    assert server.health()["code"] == 200


def test_an_upgrade_to_websockets_is_not_taken(server: Server) -> None:
    upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    key = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    head = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
    reply = slowly(server, head + upgrade + key, b"")
    assert reply.startswith(b"HTTP/1.1 200 ")  # as if it were not there, as RFC 9110 lets a server
    assert b"101" not in reply.partition(b"\r\n\r\n")[0]


def test_requests_in_one_go_are_answered_in_order(server: Server) -> None:
    paths = ["/health", "/v1/models", "/nowhere", "/health"] * 5
    lines = [f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n" for path in paths]
    reply = slowly(server, "".join(lines).encode(), b"")
    found = [part[:3] for part in reply.split(b"HTTP/1.1 ")[1:]]
    assert found == [b"404" if path == "/nowhere" else b"200" for path in paths]


def test_a_request_of_one_byte_at_a_time_ends_in_time(server: Server) -> None:
    """Slowloris: a byte now and then, in the headers and in the body."""
    for begin, end in ((b"", b""), (HEAD + b"Content-Length: 100\r\n\r\n", b"HTTP/1.1 408 ")):
        started = time.monotonic()
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(begin)
            with contextlib.suppress(ConnectionError):
                for byte in HEAD:
                    connection.sendall(bytes([byte]))
                    time.sleep(0.3)
                    if time.monotonic() - started > 10:
                        break
            reply = b""
            with contextlib.suppress(ConnectionError):
                reply = connection.recv(4096)
        assert time.monotonic() - started < 10
        assert reply.startswith(end)


def test_hundreds_of_hang_ups_leave_nothing(server: Server) -> None:
    process = psutil.Process(server.process.pid)
    until(lambda: server.health()["running"] == 0)
    files = process.num_fds()
    body = json.dumps({"messages": HELLO, "stream": True}).encode()
    whole = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
    for number in range(400):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(whole[: len(whole) * (number % 5) // 4])
    until(lambda: server.health()["running"] == server.health()["waiting"] == 0, 30)
    until(lambda: process.num_fds() <= files + 2)
    assert server.chat().status == 200
    assert server.health()["restarts"] == 0


def test_a_client_that_is_gone_before_its_body_leaves_nothing(server: Server) -> None:
    body = json.dumps({"messages": HELLO}).encode()
    for sent in (
        HEAD,
        HEAD + b"Content-Length: 500\r\n\r\n{",
        HEAD + b"Content-Length: %d\r\n\r\n" % len(body),
    ):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(sent)
    until(lambda: server.health()["running"] == server.health()["waiting"] == 0)
    assert server.chat().status == 200


@pytest.mark.parametrize("host", ["LOCALHOST", "Localhost:80", "[::1]:80", "127.0.0.2"])
def test_this_machine_has_several_names(server: Server, host: str) -> None:
    assert server.ask("GET", "/health", headers={"Host": host}).status == 200


def test_a_page_of_the_web_may_not_ask(server: Server) -> None:
    """No CORS by default: a browser asks first, and gets no leave."""
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    reply = server.ask("OPTIONS", "/v1/chat/completions", headers=headers)
    assert reply.status == 405
    assert not [name for name in reply.headers if name.startswith("access-control")]
