"""The server's process: the address, the signals, the engine beside it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import signal
import socket
import sys
from collections.abc import Callable
from types import FrameType

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from phi3scaffold.project.errors import INTERRUPTED, ScaffoldError
from phi3scaffold.serving.endpoints import build
from phi3scaffold.serving.engine_client import EngineClient
from phi3scaffold.serving.log import log
from phi3scaffold.serving.middleware import NOT_TAKEN
from phi3scaffold.serving.server_settings import ServerSettings, check_address

LAST_WORDS = 5  # seconds: what was answered has to reach its client


class Connection(H11Protocol):
    """A client's connection; it ends where no request comes in time, or nobody takes the answer.

    uvicorn waits for ever for a request's headers, and for what it wrote to be taken: with some
    hundred such connections, which need no key, nobody else would get in.
    """

    seen: tuple[object, bool] = (None, False)
    look: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._look_later()

    def connection_lost(self, exc: Exception | None) -> None:
        self.look.cancel()
        super().connection_lost(exc)

    def _look_later(self) -> None:
        self.look = self.loop.call_later(self.timeout_keep_alive, self._look)

    def _look(self) -> None:
        """End it where nothing is being done since the last look, or for nobody."""
        over = self.transport.is_closing()
        idle = over or self.cycle is None or self.cycle.response_complete
        before, self.seen = self.seen, (self.cycle, over)
        stuck = self.scope is not None and self.scope["state"].get(NOT_TAKEN)
        if stuck or (idle and self.seen == before):
            self.transport.abort()  # to close it would wait for what nobody takes
        else:
            self._look_later()


class Server(uvicorn.Server):
    """Told to stop, it first answers what it has taken; told twice by Ctrl-C, it ends."""

    def __init__(self, config: uvicorn.Config, worker: EngineClient) -> None:
        super().__init__(config)
        self.worker = worker
        self.loop = asyncio.get_running_loop()
        self.stopping: asyncio.Task[None] | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.loop.call_soon_threadsafe(self.stop, sig == signal.SIGINT)

    def stop(self, by_hand: bool) -> None:
        if self.stopping is None:
            log("stopping: answering what was taken ...")
            self.stopping = self.loop.create_task(self._stop())
        elif by_hand:
            self.worker.refuse_all()
            logging.disable()  # uvicorn would tell of each request that ends here
            self.should_exit = self.force_exit = True

    async def _stop(self) -> None:
        await self.worker.drain()
        self.should_exit = True


def serve(worker: EngineClient, ready: Callable[[str], None]) -> int:
    """Serve until told to stop.

    Args:
        ready: told the address, once the model is loaded.

    Returns:
        0 after everything taken was answered, 130 after a second Ctrl-C.

    Raises:
        ScaffoldError: the address is not free or needs a key, or the model does not load.
    """
    check_address(worker.settings)
    with _listen(worker.settings) as listener:
        return asyncio.run(_serve(listener, worker, ready))


async def _serve(
    listener: socket.socket, worker: EngineClient, ready: Callable[[str], None]
) -> int:
    config = uvicorn.Config(
        build(worker),
        http=Connection,
        log_level="warning",
        access_log=False,  # the guard writes it
        server_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="off",
        timeout_keep_alive=worker.settings.body_seconds,
        timeout_graceful_shutdown=LAST_WORDS,
    )
    server = Server(config, worker)
    address = f"http://{_named(worker.settings.host, listener.getsockname()[1])}"
    engine = asyncio.create_task(worker.keep(lambda: ready(address)))
    engine.add_done_callback(lambda _task: setattr(server, "should_exit", True))
    try:
        await server.serve(sockets=[listener])
    finally:
        failed = engine.done() and not engine.cancelled()
        engine.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await engine  # raises what kept it from starting
        assert not failed, "the engine's keeper ended without a word"
    return INTERRUPTED if server.force_exit else 0


def _named(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _listen(settings: ServerSettings) -> socket.socket:
    """A listening socket. Raises ScaffoldError where there can be none."""
    where = _named(settings.host, settings.port)
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ScaffoldError(
            f"This address cannot be used: {error.strerror}.", where=where, fix="--host 127.0.0.1"
        ) from None
    try:
        if sys.platform != "win32":  # there it would let two servers share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(256)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise ScaffoldError(
                "Another program listens at this address.",
                where=where,
                fix=f"stop it, or choose another port: --port {settings.port + 1}",
            ) from None
        raise ScaffoldError(
            f"This address cannot be used: {error.strerror}.",
            where=where,
            fix="another --host, or a --port from 1024 on",
        ) from None
    return listener
