"""A CONNECT proxy that hands each host name to a local port; nothing leaves this machine."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Callable


class Proxy:
    """Serve as a context manager; `url` goes into HTTPS_PROXY.

    Args:
        route: host name -> local port, or None for a host that does not exist.

    Attributes:
        down: while set, every connection is closed at once: a network that is gone.
        refused: hosts that were asked for and have no route.
        short: how many bytes each next connection to the storage account brings before it breaks,
            and the last of them every one that follows.
        broken: how many broke so.
    """

    def __init__(self, route: Callable[[str], int | None]) -> None:
        self.route = route
        self.down = threading.Event()
        self.refused: list[str] = []
        self.short: list[int] = []
        self.broken = 0
        self._open: set[socket.socket] = set()
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def cut(self) -> None:
        """Break every connection that is open now, in the middle of whatever it carries."""
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def next_limit(self, host: str) -> int | None:
        """How many bytes the next connection to `host` may bring; None for any number."""
        if not self.short or ".blob." not in host:
            return None
        return self.short.pop(0) if len(self.short) > 1 else self.short[0]

    def pump(self, source: socket.socket, target: socket.socket, limit: int | None) -> None:
        """Carry what comes from `source` on to `target`, to the end or to the limit."""
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if limit is not None:
                    data, limit = data[:limit], limit - len(data)
                target.sendall(data)
                if limit is not None and limit <= 0:
                    self.broken += 1
                    break
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.cut()
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[socketserver.BaseRequestHandler]:
        proxy = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                words = self.rfile.readline().decode("latin-1").split()
                while self.rfile.readline().strip():
                    pass
                if proxy.down.is_set() or len(words) < 2 or words[0] != "CONNECT":
                    return
                host = words[1].rsplit(":", 1)[0]
                port = proxy.route(host)
                if port is None:
                    proxy.refused.append(host)
                    self.wfile.write(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
                    return
                with socket.create_connection(("127.0.0.1", port)) as other:
                    self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    proxy._open.add(self.connection)
                    limit = proxy.next_limit(host)
                    back = threading.Thread(target=proxy.pump, args=(other, self.connection, limit))
                    back.start()
                    proxy.pump(self.connection, other, None)
                    back.join()
                    proxy._open.discard(self.connection)

        return Handler
