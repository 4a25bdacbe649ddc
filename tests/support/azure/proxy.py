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
    """

    def __init__(self, route: Callable[[str], int | None]) -> None:
        self.route = route
        self.down = threading.Event()
        self.refused: list[str] = []
        self._open: set[socket.socket] = set()
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def cut(self) -> None:
        """Break every connection that is open now, in the middle of whatever it carries."""
        for one in list(self._open):
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
                    back = threading.Thread(target=_pump, args=(other, self.connection))
                    back.start()
                    _pump(self.connection, other)
                    back.join()
                    proxy._open.discard(self.connection)

        return Handler


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for one in (source, target):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
