"""The server's side of the engine process: the queue, one request at a time, and the restart."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict
from itertools import count
from typing import Any

from phi3scaffold.inference.api_error import CLIENT_CLOSED, ApiError
from phi3scaffold.inference.request import (
    EVENTS,
    AnswerEnded,
    AnswerEvent,
    AnswerLogprobs,
    AnswerStarted,
    AnswerText,
    Request,
)
from phi3scaffold.pipeline import environment, protocol
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError
from phi3scaffold.serving import engine_process
from phi3scaffold.serving.engine_watch import TICK, CrashRecord, SignsOfLife
from phi3scaffold.serving.grammar_client import GrammarClient
from phi3scaffold.serving.log import log
from phi3scaffold.serving.served_models import ServedModel, remarks
from phi3scaffold.serving.server_settings import KEY_VARIABLE, ServerSettings

LOADED = ("id", "form", "root", "adapter")  # what the engine needs to know of a model
LONGEST_LINE = 1 << 24  # bytes of one event
CANCEL_TIMEOUT = 60.0  # seconds after which an engine that does not end an answer is killed
PAUSES = (0.2, 1.0, 5.0, 15.0, 30.0)  # seconds before one restart after the other
RETRY_AFTER = 5  # seconds


class PendingRequest:
    """One request, from the queue to the end of its answer.

    Attributes:
        prompt_tokens: known once it has `started`; `tokens`, `finish` and `logprobs`, at the end.
        waited: seconds in the queue.
        first_token: seconds to the first token, the queue included.
        sent: whether the engine has it already.
        over: whether nothing more will come.
        ended: called when the answer is complete.
    """

    def __init__(self, number: int, request: Request, engine: EngineClient) -> None:
        self.number, self.request, self._engine = number, request, engine
        self.prompt_tokens = self.tokens = 0
        self.finish: str | None = None
        self.logprobs: AnswerLogprobs | None = None
        self.created = time.monotonic()
        self.waited = self.first_token = 0.0
        self.sent = self.over = False
        self.ended: Callable[[], None] = lambda: None
        self.deadline: asyncio.TimerHandle | None = None
        self._events: asyncio.Queue[AnswerEvent | ApiError] = asyncio.Queue()

    async def started(self) -> None:
        """Wait until the answer begins. Raises ApiError where there will be none."""
        event = await self._next()
        assert isinstance(event, AnswerStarted)
        self.prompt_tokens = event.prompt_tokens

    async def texts(self) -> AsyncIterator[str]:
        """Yield the answer in pieces. Raises ApiError where it fails midway."""
        while True:
            event = await self._next()
            if isinstance(event, AnswerEnded):
                self.finish, self.tokens = event.finish, event.tokens
                self.ended()
                return
            if isinstance(event, AnswerLogprobs):
                self.logprobs = event
                continue
            assert isinstance(event, AnswerText)
            yield event.text

    def cancel(self) -> None:
        """Free the slot of a client that has closed the connection."""
        self._engine.drop(self, ApiError(CLIENT_CLOSED, "The client closed the connection."))

    def put(self, event: AnswerEvent | ApiError) -> None:
        """Queue an event for the client; nothing follows the one that ends an answer."""
        if self.over:
            return
        if isinstance(event, ApiError | AnswerEnded):
            self.over = True
            if self.deadline is not None:
                self.deadline.cancel()
        elif isinstance(event, AnswerStarted):
            self.first_token = time.monotonic() - self.created
        self._events.put_nowait(event)

    async def _next(self) -> AnswerEvent:
        event = await self._events.get()
        if isinstance(event, ApiError):
            raise event
        return event


class EngineClient:
    """Keeps an engine process alive and gives it one request at a time, first come, first served.

    Args:
        find_models: returns the models that are there now. Called before every start of the
            engine, since they may have been made again in the meantime.

    Attributes:
        ready: whether an engine runs and has loaded the models.
        waiting: requests in the queue, without the `running` one.
        contexts: name of a model -> tokens that prompt and answer may have.
    """

    def __init__(
        self, find_models: Callable[[], Sequence[ServedModel]], settings: ServerSettings
    ) -> None:
        self._find_models, self.settings = find_models, settings
        self.models = find_models()
        self.ready = False
        self.waiting: deque[PendingRequest] = deque()
        self.running: PendingRequest | None = None
        self.restarts = 0
        self.contexts: dict[str, int] = {}
        self.process: Process | None = None
        self.grammars = GrammarClient(
            lambda: sorted({model.folder for model in self.models if model.has_grammar})
        )
        self._numbers = count(1)
        self._life, self._crashes = SignsOfLife(), CrashRecord()
        self._draining = self._down = False

    @property
    def state(self) -> str:
        """``starting``, ``ok``, ``restarting``, ``down`` (it does not start), ``draining``."""
        if self._draining:
            return "draining"
        if self.ready:
            return "ok"
        if self._down:
            return "down"
        return "restarting" if self.contexts else "starting"

    def submit(self, request: Request) -> PendingRequest:
        """Queue a request.

        Raises:
            ApiError: 429 where the queue is full, 503 where there is no engine, 400 where the same
                request has ended the engine twice.
        """
        self._crashes.check(request)
        if self._draining:
            raise _shutting_down()
        if self._down:
            raise _engine_down()
        if len(self.waiting) >= self.settings.queue:
            raise ApiError(
                429,
                f"The queue is full: {len(self.waiting)} requests are waiting.",
                code="queue_full",
                retry_after=RETRY_AFTER,
            )
        pending = PendingRequest(next(self._numbers), request, self)
        self.waiting.append(pending)
        late = ApiError(504, f"No answer within {self.settings.timeout:g} s.", code="timeout")
        loop = asyncio.get_running_loop()
        pending.deadline = loop.call_later(self.settings.timeout, self.drop, pending, late)
        self._advance()
        return pending

    def drop(self, pending: PendingRequest, error: ApiError) -> None:
        """End a request with an error, and free its slot."""
        if pending.over:
            return
        pending.put(error)
        if pending is not self.running:
            with contextlib.suppress(ValueError):
                self.waiting.remove(pending)
            if pending.sent:
                self._send({"cancel": pending.number})
                self._advance()
            return
        self._send({"cancel": pending.number})
        loop = asyncio.get_running_loop()
        loop.call_later(CANCEL_TIMEOUT, self._kill_if_running, pending)

    async def run(self, ready: Callable[[], None]) -> None:
        """Start the engine, and start it again whenever it ends, until cancelled.

        Args:
            ready: called when the engine is ready for the first time.

        Raises:
            ScaffoldError: it does not start the first time.
        """
        failures = 0
        watch = asyncio.create_task(self._watch())
        try:
            while True:
                start = time.monotonic()
                try:
                    if self.contexts:
                        self._reload_models()
                    await self._run_once(ready if not self.contexts else lambda: None)
                except (ScaffoldError, OSError) as error:  # such as: too many open files
                    if not self.contexts:
                        raise
                    log(f"error: {error}")
                    self.kill()
                    self._down = True
                crashed = self._fail_running()  # then a request is the reason, and no time is lost
                well = crashed or time.monotonic() - start > PAUSES[-1]
                failures = 0 if well else failures + 1
                await asyncio.sleep(PAUSES[max(0, min(failures, len(PAUSES)) - 1)])
                self.restarts += 1
        finally:
            watch.cancel()
            await self.grammars.close()
            self.kill()
            if self.process is not None:
                await self.process.wait()

    async def _watch(self) -> None:
        """Kill a busy engine that gives no sign of life, so that another one is started."""
        while True:
            await asyncio.sleep(TICK)
            busy = self.ready and self.running is not None
            if self._life.tick(busy):
                log("the engine gives no sign of life: replacing it")
                self.kill()
            elif busy:
                self._send({"ping": True})

    def _reload_models(self) -> None:
        """Find the models again before a restart: their files may have changed."""
        before, self.models = self.models, self._find_models()
        if self.models != before:
            log("the models have changed: loading the new ones")
            self.grammars.forget()
            for remark in remarks(self.models):
                log(f"warning: {remark}")

    async def drain(self) -> None:
        """Refuse new requests, and wait for the open ones, up to `settings.drain`."""
        self._draining = True
        end = time.monotonic() + self.settings.drain
        while (self.running or self.waiting) and time.monotonic() < end:
            await asyncio.sleep(0.02)
        self.refuse_all()

    def refuse_all(self) -> None:
        """End all open requests."""
        for pending in [*self.waiting, *([self.running] if self.running else [])]:
            self.drop(pending, _shutting_down())

    def _kill_if_running(self, pending: PendingRequest) -> None:
        """Kill an engine that does not react to a cancelled request."""
        if pending is self.running:
            log("the engine does not react to a cancelled request: killing it")
            self.kill()

    def kill(self) -> None:
        """Kill the engine, if it still runs."""
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()

    async def _run_once(self, ready: Callable[[], None]) -> None:
        """Run one engine process until it ends."""
        environment.prepare()
        variables = {k: v for k, v in os.environ.items() if k != KEY_VARIABLE}
        # What else is known of a model would make the command line long, and show prompts in it.
        work = [{name: getattr(model, name) for name in LOADED} for model in self.models]
        self.process = await asyncio.create_subprocess_exec(
            *protocol.command(engine_process.__name__, work),
            stdin=PIPE,
            stdout=PIPE,
            limit=LONGEST_LINE,
            env=variables,
            # Ctrl-C in a terminal is for the server only. Not a session of its own: Linux would
            # give the engine the priority of an unrelated program.
            process_group=0 if os.name == "posix" else None,
        )
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            message = protocol.decode(line)
            self._life.heard(message)
            kind = message.pop("kind")
            if kind == "failed":
                await self.process.wait()
                raise ScaffoldError.from_json(message["error"])
            if kind == "ready":
                self.contexts = message["contexts"]
                self.ready, self._down = True, False
                ready()
                self._advance()
            elif self.running is not None and message.pop("id", None) == self.running.number:
                failed = kind == "error"
                event = ApiError(**message["error"]) if failed else EVENTS[kind](**message)
                self.running.put(event)
                if isinstance(event, ApiError | AnswerEnded):
                    self._crashes.answered(self.running.request)
                    self.running = None
                    self._advance()
        code = await self.process.wait()
        if not self.contexts:
            raise ScaffoldError(
                f"The engine ended while loading the model ({protocol.describe_exit(code)}).",
                fix="if memory ran out: close other programs",
                exit_code=FAILED_RUN,
            )
        log(f"the engine ended ({protocol.describe_exit(code)})")

    def _fail_running(self) -> bool:
        """End the request that an engine was answering when it ended, if there was one."""
        self.ready = False
        failed, self.running = self.running, None
        if failed is not None:
            self._crashes.add(failed.request)
            message = "The engine ended during the answer; try again."
            failed.put(ApiError(500, message, code="engine_died"))
        for pending in self.waiting:
            pending.sent = False
        if self._down:
            while self.waiting:
                self.waiting.popleft().put(_engine_down())
        return failed is not None

    def _advance(self) -> None:
        """Start the next request; send the engine those after it too, so that it need not wait."""
        if not self.ready:
            return
        if self.running is None and self.waiting:
            self.running = self.waiting.popleft()
            self.running.waited = time.monotonic() - self.running.created
            self._send_request(self.running)
        for pending in self.waiting:
            self._send_request(pending)

    def _send_request(self, pending: PendingRequest) -> None:
        if not pending.sent:
            pending.sent = True
            self._send({"id": pending.number, "request": asdict(pending.request)})

    def _send(self, message: dict[str, Any]) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        with contextlib.suppress(ConnectionError, RuntimeError):  # its end is noticed elsewhere
            self.process.stdin.write(protocol.encode(message))


def _engine_down() -> ApiError:
    message = "The model cannot be loaded; see the server's log."
    return ApiError(503, message, code="engine_down", retry_after=RETRY_AFTER)


def _shutting_down() -> ApiError:
    return ApiError(503, "The server is shutting down.", code="stopping")
