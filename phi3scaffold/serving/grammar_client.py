"""The server's side of the grammar process: one schema at a time, within a deadline."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Awaitable, Callable, Sequence

import psutil

from phi3scaffold.inference.api_error import CLIENT_CLOSED, ApiError
from phi3scaffold.inference.json_schema import BadSchema
from phi3scaffold.inference.schema_budget import is_easy
from phi3scaffold.pipeline import environment, protocol
from phi3scaffold.serving import grammar_process
from phi3scaffold.serving.log import log
from phi3scaffold.serving.server_settings import KEY_VARIABLE

DEADLINE = 2.0  # seconds of the processor, beside those that any schema takes with the tokenizer
LOADED = 4  # times as long by the clock: other programs may want the processor, too
MOST_MEMORY = 1 << 30  # bytes, beside what it has from its start on
POLL = 0.05  # seconds
START_SECONDS = 120.0
MOST_WAITING = 16
MOST_KNOWN = 1000
LIMIT = 1 << 20  # bytes of one message
TOO_LONG = f"its grammar was not compiled within {DEADLINE:g} s"
TOO_MUCH = "its grammar takes more than 1 GiB of memory"
ENDED = "it ended the grammar compiler"


class GrammarClient:
    """Compiles the schemas of requests before the engine sees them; starts with the first one.

    Args:
        find_folders: returns the folders of the ONNX forms that are served now.
    """

    def __init__(self, find_folders: Callable[[], Sequence[str]]) -> None:
        self._find_folders = find_folders
        self._folders: list[str] = []
        self._process: Process | None = None
        self._unusable = False
        self._easy_seconds = 0.0  # of the processor, for a schema that asks for little
        self._memory = 0
        self._lock = asyncio.Lock()
        self._waiting = 0
        self._known: dict[bytes, str | None] = {}  # hash -> what is wrong with a schema

    async def check(self, folder: str, schema: str, is_gone: Callable[[], Awaitable[bool]]) -> None:
        """Return where the engine may compile a schema.

        Args:
            folder: of the form whose tokenizer the answer is written with.
            schema: a JSON schema within its budget, as JSON.
            is_gone: tells whether the client has closed the connection.

        Raises:
            ApiError: 400 where it cannot be compiled, or takes too long; 429 where too many wait.
        """
        if is_easy(schema):
            return
        key = hashlib.sha256(f"{folder}\0{schema}".encode()).digest()
        if key not in self._known:
            if self._waiting >= MOST_WAITING:
                raise ApiError(
                    429,
                    f"{self._waiting} schemas are waiting to be compiled.",
                    code="queue_full",
                    retry_after=5,
                )
            self._waiting += 1
            try:
                async with self._lock:
                    if await is_gone():
                        raise ApiError(CLIENT_CLOSED, "The client closed the connection.")
                    if key not in self._known:
                        self._known[key] = await self._compile(folder, schema)
            finally:
                self._waiting -= 1
            if len(self._known) > MOST_KNOWN:
                del self._known[next(iter(self._known))]
        why = self._known.get(key)
        if why is not None:
            raise BadSchema(why).api_error

    def forget(self) -> None:
        """Start again with the next schema: the models have changed."""
        self._folders = []
        self._known.clear()

    async def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _compile(self, folder: str, schema: str) -> str | None:
        """Return what is wrong with a schema; None where it can be compiled."""
        folders = list(self._find_folders())
        if folders != self._folders or self._process is None:
            await self.close()
            self._folders = folders
            await self._start()
        if self._process is None:
            return None  # then the engine alone compiles it, and is watched
        before = self._seconds()
        answer = asyncio.ensure_future(self._exchange({"folder": folder, "schema": schema}))
        why = await self._watch(answer, before, time.monotonic())
        if why is not None:
            answer.cancel()
            await self.close()
            with contextlib.suppress(asyncio.CancelledError, OSError, ValueError):
                await answer
            return why
        reply = answer.result()
        if reply is None:
            await self.close()
            return ENDED
        found: str | None = reply["why"]
        return found

    async def _watch(
        self, answer: asyncio.Future[dict | None], before: float, start: float
    ) -> str | None:
        """Wait for an answer; return which limit it has broken, if one."""
        most = DEADLINE + 2 * self._easy_seconds
        while not answer.done():
            await asyncio.wait([answer], timeout=POLL)
            if answer.done():
                break
            seconds = self._seconds() - before
            if seconds > most or time.monotonic() - start > LOADED * most:
                return TOO_LONG
            if self._rss() - self._memory > MOST_MEMORY:
                return TOO_MUCH
        return None

    async def _start(self) -> None:
        """Start the process; where it cannot start, the schemas are not compiled before."""
        if self._unusable:
            return
        environment.prepare()
        variables = {name: value for name, value in os.environ.items() if name != KEY_VARIABLE}
        self._process = await asyncio.create_subprocess_exec(
            *protocol.command(grammar_process.__name__, self._folders),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            limit=LIMIT,
            env=variables,
            process_group=0 if os.name == "posix" else None,
        )
        try:
            ready = await asyncio.wait_for(self._receive(), START_SECONDS)
        except TimeoutError:
            ready = None
        if ready is None:
            self._unusable = True
            log("warning: schemas are compiled in the engine alone: the process for them ended")
            await self.close()
            return
        self._memory = self._rss()
        before = self._seconds()
        await self._exchange({"folder": self._folders[0], "schema": grammar_process.EASY})
        self._easy_seconds = self._seconds() - before

    async def _exchange(self, message: dict[str, str]) -> dict | None:
        assert self._process is not None
        assert self._process.stdin is not None
        with contextlib.suppress(ConnectionError):
            self._process.stdin.write(protocol.encode(message))
            await self._process.stdin.drain()
        return await self._receive()

    async def _receive(self) -> dict | None:
        """Return the next message; None where the process has ended."""
        assert self._process is not None
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        return protocol.decode(line) if line else None

    def _seconds(self) -> float:
        """Return the seconds of the processor that the process has had."""
        with contextlib.suppress(psutil.Error):
            times = self._usage().cpu_times()
            return float(times.user + times.system)
        return 0.0

    def _rss(self) -> int:
        with contextlib.suppress(psutil.Error):
            return int(self._usage().memory_info().rss)
        return 0

    def _usage(self) -> psutil.Process:
        assert self._process is not None
        return psutil.Process(self._process.pid)
