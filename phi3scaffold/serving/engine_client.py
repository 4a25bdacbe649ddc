"""The server's side of the engine: the queue, one request after the other, and the restart."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import count
from typing import Any

from phi3scaffold.inference.api_error import CLIENT_CLOSED, ApiError
from phi3scaffold.inference.request import Request
from phi3scaffold.pipeline import environment
from phi3scaffold.pipeline.failures import why_it_ended
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError
from phi3scaffold.serving import engine_process
from phi3scaffold.serving.log import log
from phi3scaffold.serving.served_models import ServedModel, remarks
from phi3scaffold.serving.server_settings import KEY_VARIABLE, ServerSettings

LONGEST_LINE = 1 << 24  # bytes of one event
STUBBORN = 60.0  # seconds after which an engine that does not end an answer is ended itself
PAUSES = (0.2, 1.0, 5.0, 15.0, 30.0)  # seconds before one restart after the other
RETRY_AFTER = 5  # seconds


class PendingRequest:
    """One request, from the queue to the end of its answer.

    Attributes:
        prompt_tokens: known once `begun`.
        tokens: how many the answer has; known at the end.
        finish: ``stop`` or ``length``, at the end.
        waited: seconds in the queue.
        first: seconds to the first token, the waiting included.
        sent: whether the engine has it already.
        over: whether nothing more will come.
        ended: called when an answer came to its end.
    """

    def __init__(self, number: int, asked: Request, worker: EngineClient) -> None:
        self.number, self.asked, self._worker = number, asked, worker
        self.prompt_tokens = self.tokens = 0
        self.finish: str | None = None
        self.created = time.monotonic()
        self.waited = self.first = 0.0
        self.sent = self.over = False
        self.ended: Callable[[], None] = lambda: None
        self.deadline: asyncio.TimerHandle | None = None
        self._events: asyncio.Queue[dict[str, Any] | ApiError] = asyncio.Queue()

    async def begun(self) -> None:
        """Wait until the answer begins. Raises ApiError where there will be none."""
        event = await self._next()
        self.prompt_tokens = event["begun"]

    async def texts(self) -> AsyncIterator[str]:
        """The answer in pieces. Raises ApiError where it breaks off."""
        while True:
            event = await self._next()
            if "end" in event:
                self.finish, self.tokens = event["end"], event["tokens"]
                self.ended()
                return
            yield event["text"]

    def cancel(self) -> None:
        """The client is gone: give up its place."""
        self._worker.give_up(self, ApiError(CLIENT_CLOSED, "The client hung up."))

    def put(self, event: dict[str, Any] | ApiError) -> None:
        """Nothing is put behind what ends an answer."""
        if self.over:
            return
        if isinstance(event, ApiError) or "end" in event:
            self.over = True
            if self.deadline is not None:
                self.deadline.cancel()
        elif "begun" in event:
            self.first = time.monotonic() - self.created
        self._events.put_nowait(event)

    async def _next(self) -> dict[str, Any]:
        event = await self._events.get()
        if isinstance(event, ApiError):
            raise event
        return event


class EngineClient:
    """Keeps an engine alive and hands it one request at a time, first come, first served.

    Args:
        look: the models that are there now. Request before every start of the engine: what it loads
            may have been made again in the meantime.

    Attributes:
        models: what the engine holds.
        ready: whether an engine is there and has loaded the models.
        waiting: requests that wait.
        running: the one that is being answered.
        restarts: how often the engine had to be started again.
        contexts: name of a model -> tokens that prompt and answer may have.
    """

    def __init__(self, look: Callable[[], Sequence[ServedModel]], settings: ServerSettings) -> None:
        self._look, self.settings = look, settings
        self.models = look()
        self.ready = False
        self.waiting: deque[PendingRequest] = deque()
        self.running: PendingRequest | None = None
        self.restarts = 0
        self.contexts: dict[str, int] = {}
        self.process: Process | None = None
        self._numbers = count(1)
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

    def submit(self, asked: Request) -> PendingRequest:
        """Queue a request.

        Raises:
            ApiError: 429 where the queue is full, 503 where nothing answers.
        """
        if self._draining:
            raise ApiError(503, "The server is being stopped.", code="stopping")
        if self._down:
            raise ApiError(
                503,
                "The model does not start; the server's log tells more.",
                code="engine_down",
                retry_after=RETRY_AFTER,
            )
        if len(self.waiting) >= self.settings.queue:
            raise ApiError(
                429,
                f"{len(self.waiting)} requests are waiting, which is all the queue holds.",
                code="queue_full",
                retry_after=RETRY_AFTER,
            )
        ticket = PendingRequest(next(self._numbers), asked, self)
        self.waiting.append(ticket)
        late = ApiError(504, f"No answer within {self.settings.timeout:g} s.", code="timeout")
        loop = asyncio.get_running_loop()
        ticket.deadline = loop.call_later(self.settings.timeout, self.give_up, ticket, late)
        self._advance()
        return ticket

    def give_up(self, ticket: PendingRequest, why: ApiError) -> None:
        """Tell a request that it gets no (more) answer, and free its place."""
        if ticket.over:
            return
        ticket.put(why)
        if ticket is not self.running:
            with contextlib.suppress(ValueError):
                self.waiting.remove(ticket)
            if ticket.sent:
                self._send({"cancel": ticket.number})
                self._advance()
            return
        self._send({"cancel": ticket.number})
        loop = asyncio.get_running_loop()
        loop.call_later(STUBBORN, self._end_if_stubborn, ticket)

    async def keep(self, ready: Callable[[], None]) -> None:
        """Start the engine, and start it again whenever it ends; until cancelled.

        Args:
            ready: called when the engine has started for the first time.

        Raises:
            ScaffoldError: it does not start at all.
        """
        failures = 0
        try:
            while True:
                begun = time.monotonic()
                try:
                    if self.contexts:
                        self._look_again()
                    await self._live(ready if not self.contexts else lambda: None)
                except (ScaffoldError, OSError) as error:  # such as: too many open files
                    if not self.contexts:
                        raise
                    log(f"error: {error}")
                    self.kill()
                    self._down = True
                self._hit()
                failures = 0 if time.monotonic() - begun > PAUSES[-1] else failures + 1
                await asyncio.sleep(PAUSES[max(0, min(failures, len(PAUSES)) - 1)])
                self.restarts += 1
        finally:
            self.kill()
            if self.process is not None:
                await self.process.wait()

    def _look_again(self) -> None:
        """The engine starts again: from files that may not be those of before."""
        before, self.models = self.models, self._look()
        if self.models != before:
            log("what is served has changed: it is loaded anew")
            for told in remarks(self.models):
                log(f"warning: {told}")

    async def drain(self) -> None:
        """Take nothing new, and wait for what is there, as long as the settings say."""
        self._draining = True
        end = time.monotonic() + self.settings.drain
        while (self.running or self.waiting) and time.monotonic() < end:
            await asyncio.sleep(0.02)
        self.refuse_all()

    def refuse_all(self) -> None:
        """Whoever waits, or is being answered, is told that nothing (more) comes."""
        stopping = ApiError(503, "The server is being stopped.", code="stopping")
        for ticket in [*self.waiting, *([self.running] if self.running else [])]:
            self.give_up(ticket, stopping)

    def _end_if_stubborn(self, ticket: PendingRequest) -> None:
        if ticket is self.running:
            log("the engine does not end an answer: it is ended")
            self.kill()

    def kill(self) -> None:
        """End the engine at once."""
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()

    async def _live(self, ready: Callable[[], None]) -> None:
        """One engine's life."""
        environment.prepare()
        given = {k: v for k, v in os.environ.items() if k != KEY_VARIABLE}
        work = json.dumps([model.work() for model in self.models])
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", engine_process.__name__, work),
            stdin=PIPE,
            stdout=PIPE,
            limit=LONGEST_LINE,
            env=given,
            # Ctrl-C in a terminal is for the server alone. Not a session of its own: Linux would
            # weigh the engine as a program that has nothing to do with us.
            process_group=0 if os.name == "posix" else None,
        )
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            event = json.loads(line)
            if "failed" in event:
                await self.process.wait()
                raise ScaffoldError(**event["failed"])
            if "ready" in event:
                self.contexts = event["ready"]
                self.ready, self._down = True, False
                ready()
                self._advance()
            elif self.running is not None and event.pop("id") == self.running.number:
                self._tell(self.running, event)
        code = await self.process.wait()
        if not self.contexts:
            raise ScaffoldError(
                f"The engine ended while it loaded the model ({why_it_ended(code)}).",
                fix="if memory ran out: close other programs",
                exit_code=FAILED_RUN,
            )
        log(f"the engine ended ({why_it_ended(code)})")

    def _tell(self, ticket: PendingRequest, event: dict[str, Any]) -> None:
        refused = event.get("refused")
        ticket.put(ApiError(**refused) if refused else event)
        if refused or "end" in event:
            self.running = None
            self._advance()

    def _hit(self) -> None:
        """The engine is gone: say so to the request that it was answering."""
        self.ready = False
        hit, self.running = self.running, None
        if hit is not None:
            hit.put(
                ApiError(500, "The engine died while it answered; try again.", code="engine_died")
            )
        for ticket in self.waiting:
            ticket.sent = False
        if self._down:
            down = ApiError(503, "The model does not start.", code="engine_down", retry_after=5)
            while self.waiting:
                self.waiting.popleft().put(down)

    def _advance(self) -> None:
        """The next one's turn; the engine has those behind it too, not to wait for us."""
        if not self.ready:
            return
        if self.running is None and self.waiting:
            self.running = self.waiting.popleft()
            self.running.waited = time.monotonic() - self.running.created
            self._hand_over(self.running)
        for ticket in self.waiting:
            self._hand_over(ticket)

    def _hand_over(self, ticket: PendingRequest) -> None:
        if not ticket.sent:
            ticket.sent = True
            self._send({"id": ticket.number, "asked": ticket.asked.to_json()})

    def _send(self, message: dict[str, Any]) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        with contextlib.suppress(ConnectionError, RuntimeError):  # its end is noticed elsewhere
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
