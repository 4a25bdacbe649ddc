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
from phi3scaffold.serving.endpoints import build_app
from phi3scaffold.serving.engine_client import EngineClient
from phi3scaffold.serving.log import log
from phi3scaffold.serving.middleware import CLIENT_STALLED
from phi3scaffold.serving.server_settings import KEY_VARIABLE, ServerSettings

FLUSH_SECONDS = 5  # for complete answers to reach their clients


class Connection(H11Protocol):
    """A client's connection; it ends where no request comes in time, or the answer is not read.

    uvicorn waits for ever for a request's headers, and for its output to be read: some hundred
    such connections, which need no key, would block the server.
    """

    last_state: tuple[object, bool] = (None, False)
    timer: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._schedule_check()

    def connection_lost(self, exc: Exception | None) -> None:
        self.timer.cancel()
        super().connection_lost(exc)

    def _schedule_check(self) -> None:
        self.timer = self.loop.call_later(self.timeout_keep_alive, self._check)

    def _check(self) -> None:
        """End the connection where nothing has happened since the last check."""
        closing = self.transport.is_closing()
        idle = closing or self.cycle is None or self.cycle.response_complete
        before, self.last_state = self.last_state, (self.cycle, closing)
        stuck = self.scope is not None and self.scope["state"].get(CLIENT_STALLED)
        if stuck or (idle and self.last_state == before):
            self.transport.abort()  # closing it would wait for output that is not read
        else:
            self._schedule_check()


class Server(uvicorn.Server):
    """On a signal to stop it finishes the open requests first; on a second Ctrl-C it ends."""

    def __init__(self, config: uvicorn.Config, engine: EngineClient) -> None:
        super().__init__(config)
        self.engine = engine
        self.loop = asyncio.get_running_loop()
        self.stopping: asyncio.Task[None] | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.loop.call_soon_threadsafe(self.stop, sig == signal.SIGINT)

    def stop(self, interrupted: bool) -> None:
        if self.stopping is None:
            log("shutting down: finishing open requests ...")
            self.stopping = self.loop.create_task(self._stop())
        elif interrupted:
            self.engine.refuse_all()
            logging.disable()  # uvicorn would log each request that ends here
            self.should_exit = self.force_exit = True

    async def _stop(self) -> None:
        await self.engine.drain()
        self.should_exit = True


def serve(engine: EngineClient, ready: Callable[[str], None]) -> int:
    """Serve until a signal to stop.

    Args:
        ready: called with the address, once the model is loaded.

    Returns:
        0 after all open requests were finished, 130 after a second Ctrl-C.

    Raises:
        ScaffoldError: the address is not free or needs a key, or the model does not load.
    """
    settings = engine.settings
    if not settings.loopback and settings.api_key is None:
        raise ScaffoldError(
            f"Others can reach {settings.host}: this needs an API key.",
            where="--host",
            fix=f"set {KEY_VARIABLE}, or give --api-key-file FILE; or stay on 127.0.0.1",
        )
    with _listen(settings) as listener:
        return asyncio.run(_serve(listener, engine, ready))


async def _serve(
    listener: socket.socket, engine: EngineClient, ready: Callable[[str], None]
) -> int:
    config = uvicorn.Config(
        build_app(engine),
        http=Connection,
        log_level="warning",
        access_log=False,  # the guard writes it
        server_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="off",
        timeout_keep_alive=engine.settings.body_seconds,
        timeout_graceful_shutdown=FLUSH_SECONDS,
    )
    server = Server(config, engine)
    address = f"http://{_address(engine.settings.host, listener.getsockname()[1])}"
    task = asyncio.create_task(engine.run(lambda: ready(address)))
    task.add_done_callback(lambda _task: setattr(server, "should_exit", True))
    try:
        await server.serve(sockets=[listener])
    finally:
        failed = task.done() and not task.cancelled()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task  # raises why the engine did not start
        assert not failed, "the engine task ended without an error"
    return INTERRUPTED if server.force_exit else 0


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _listen(settings: ServerSettings) -> socket.socket:
    """Return a listening socket. Raises ScaffoldError where the address cannot be used."""
    where = _address(settings.host, settings.port)
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
