"""`phi3scaffold serve` as a process of its own, asked over HTTP."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import openai
import psutil

HELLO = [{"role": "user", "content": "I could not stop smiling all day."}]
# An answer that goes on for as long as the context has room: about a thousand tokens of tiny.
ENDLESS = {
    "messages": HELLO,
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "long", "schema": {"type": "string", "minLength": 1_000_000}},
    },
}
NOT_NEEDED = ("torch", "transformers", "peft", "olive", "onnx", "datasets", "tokenizers")


class Reply:
    """A status, headers (lower case) and a body."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    def json(self) -> Any:
        return json.loads(self.body)


class Server:
    """A running server.

    Attributes:
        process: its process.
        project: the folder it was started in.
        port: where it listens, on 127.0.0.1 or what --host said.
        said, told: the lines of its standard output and of its log, so far.
    """

    def __init__(
        self,
        project: Path,
        *words: str,
        env: Mapping[str, str] | None = None,
        stderr: int = subprocess.PIPE,
    ) -> None:
        self.project = project
        self.said: list[str] = []
        self.told: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "phi3scaffold", "serve", "--port", "0", *words],
            cwd=project,
            env={**os.environ, **(env or {})},
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )
        for stream, lines in ((self.process.stdout, self.said), (self.process.stderr, self.told)):
            if stream is not None:
                threading.Thread(target=self._read, args=(stream, lines), daemon=True).start()
        self.port = 0

    def wait(self, seconds: float = 60) -> Server:
        """Until it says where it listens."""
        until(lambda: any(line.startswith("serving at") for line in self.said), seconds, self)
        address = next(line for line in self.said if line.startswith("serving at")).split()[2]
        self.port = int(address.removesuffix("/v1").rpartition(":")[2])
        until(lambda: len(self.said) >= 4 and self.said[-1].startswith("    -d"), 5)
        return self

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def engine(self) -> psutil.Process:
        """The process that holds the model."""
        return self._child("engine_process")

    @property
    def grammars(self) -> psutil.Process:
        """The process that compiles schemas first."""
        return self._child("grammar_process")

    def _child(self, module: str) -> psutil.Process:
        children = psutil.Process(self.process.pid).children()
        (child,) = (one for one in children if any(module in word for word in one.cmdline()))
        return child

    def client(self, key: str = "none", **options: Any) -> openai.OpenAI:
        """The official client, as anybody would use it."""
        options = {"max_retries": 0, "timeout": 60, **options}
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=key, **options)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 60,
    ) -> Reply:
        """One request; a `body` that is not bytes is sent as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        sent = {}
        if body is not None and not isinstance(body, bytes):
            body, sent = json.dumps(body).encode(), {"Content-Type": "application/json"}
        with contextlib.closing(connection):
            connection.request(method, path, body, {**sent, **(headers or {})})
            return Reply(connection.getresponse())

    def chat(self, timeout: float = 60, **fields: Any) -> Reply:
        return self.ask(
            "POST", "/v1/chat/completions", {"messages": HELLO, **fields}, timeout=timeout
        )

    def health(self) -> dict[str, Any]:
        reply = self.ask("GET", "/health")
        return {"code": reply.status, **reply.json()}

    def metric(self, name: str) -> float:
        lines = self.ask("GET", "/metrics").body.decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    def end(self, sig: int = signal.SIGTERM, seconds: float = 20) -> int:
        """Signal it; its exit code. Nothing of it may be left."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(sig)
        try:
            code = self.process.wait(seconds)
        finally:
            if self.process.poll() is None:
                self.process.kill()
        _, alive = psutil.wait_procs(children, 5)
        assert not alive, alive
        return code

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Meanwhile the engine stands still."""
        engine = self.engine
        engine.suspend()
        try:
            yield
        finally:
            engine.resume()

    @property
    def trouble(self) -> str:
        """The log from the first traceback on."""
        return "\n".join(self.told).partition("Traceback")[2]

    @staticmethod
    def _read(stream: Any, lines: list[str]) -> None:
        for line in stream:
            lines.append(line.rstrip("\n"))


def until(true: Callable[[], bool], seconds: float = 10, server: Server | None = None) -> None:
    """Wait for something; fails after some time, or where the server has ended."""
    end = time.monotonic() + seconds
    while not true():
        if server is not None and server.process.poll() is not None:
            raise AssertionError("\n".join(["the server ended:", *server.told]))
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def without_training(folder: Path) -> dict[str, str]:
    """An environment in which nothing of [train] can be imported."""
    for name in NOT_NEEDED:
        package = folder / name
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(f"raise ImportError({name!r})\n", encoding="utf-8")
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")]))
    return {"PYTHONPATH": path}
