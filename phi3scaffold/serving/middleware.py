"""Checks before every request: host, API key, size and speed of the body; and its log line."""

from __future__ import annotations

import asyncio
import hmac
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse

from phi3scaffold.inference.api_error import CLIENT_CLOSED, ApiError
from phi3scaffold.serving import chat
from phi3scaffold.serving.log import log
from phi3scaffold.serving.server_settings import ServerSettings, is_loopback

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

# without a key: load balancers read the first, and the page is where the user enters the key
OPEN = ("/health", *chat.FILES)
LOCAL_HOST = re.compile(r"(?:\[([^\]]*)\]|([^:\[\]]*))(?::\d+)?")
VERSIONS = ("1.0", "1.1")
MOST_HEADERS = 100
CLIENT_STALLED = "client_stalled"  # in a request's state: its client does not read


class RequestGuard:
    """ASGI middleware.

    A page on the web can make a name of its own point at 127.0.0.1 (DNS rebinding) and then call
    the server of its visitor: on the loopback interface the Host header has to be local.

    Args:
        count: called with the path and status of every finished request.
    """

    def __init__(
        self, app: ASGIApp, settings: ServerSettings, count: Callable[[str, int], None]
    ) -> None:
        self.app, self.settings, self.count = app, settings, count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.monotonic(), CLIENT_CLOSED
        notes: dict[str, Any] = scope.setdefault("state", {})
        body = _Body(receive, self.settings)

        async def watched_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if body.unread(scope):
                    # what is left of it would be read as the next request
                    message["headers"] = [*message["headers"], (b"connection", b"close")]
            # a client that reads nothing must not hold its answer for ever
            async with asyncio.timeout(self.settings.body_seconds):
                await send(message)

        try:
            try:
                self._check(scope)
                await self.app(scope, body.receive, watched_send)
            except ApiError as error:
                response = JSONResponse(error.body, error.status, error.headers)
                await response(scope, receive, watched_send)
            except TimeoutError:
                status = CLIENT_CLOSED
                notes[CLIENT_STALLED] = True
        finally:
            status = notes.get("status", status)
            self.count(scope["path"], status)
            if scope["path"] not in ("/health", "/metrics"):
                note = notes.get("note", "")
                seconds = time.monotonic() - started
                path = scope["path"].encode("unicode_escape").decode()[:100]
                log(
                    f"{time.strftime('%H:%M:%S')} {scope['method']} {path} {status} "
                    f"{seconds:.3f}s{note}"
                )

    def _check(self, scope: Scope) -> None:
        """Raise ApiError for a request that is not taken, whatever it asks for.

        Its HTTP version is unknown, its headers are too many, its Host is foreign, its API key
        missing, or its body too large.
        """
        if scope["http_version"] not in VERSIONS:
            raise ApiError(505, "The HTTP version must be 1.0 or 1.1.", code="http_version")
        if len(scope["headers"]) > MOST_HEADERS:
            raise ApiError(
                431, f"The request has more than {MOST_HEADERS} headers.", code="too_many_headers"
            )
        headers = dict(scope["headers"])
        if self.settings.loopback and not _is_local(headers.get(b"host", b"").decode("latin-1")):
            raise ApiError(
                403, "The Host header does not name this machine.", code="host_not_allowed"
            )
        key = self.settings.api_key
        if key is not None and scope["path"] not in OPEN:
            scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
            valid = hmac.compare_digest(token.strip(), key.encode())
            if scheme.lower() != b"bearer" or not valid:
                raise ApiError(
                    401,
                    "The API key is missing or wrong: Authorization: Bearer KEY.",
                    code="invalid_api_key",
                )
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length[:20]) > self.settings.body_bytes:
            raise _too_large(self.settings)


class _Body:
    """A request's body, within the limits of the settings."""

    def __init__(self, receive: Receive, settings: ServerSettings) -> None:
        self._receive, self._settings = receive, settings
        self._bytes = 0
        self._whole = False
        self._until = time.monotonic() + settings.body_seconds

    async def receive(self) -> Message:
        """Receive the next message. Raises ApiError where it is too late or too large."""
        if self._whole:
            return await self._receive()  # the client closes the connection, sooner or later
        try:
            async with asyncio.timeout(self._until - time.monotonic()):
                message = await self._receive()
        except TimeoutError:
            raise ApiError(408, "The request took too long to arrive.", code="timeout") from None
        if message["type"] == "http.request":
            self._bytes += len(message.get("body", b""))
            self._whole = not message.get("more_body", False)
            if self._bytes > self._settings.body_bytes:
                raise _too_large(self._settings)
        return message

    def unread(self, scope: Scope) -> bool:
        """Tell whether some of it was not read, so that the connection cannot be reused."""
        return not self._whole and scope["method"] not in ("GET", "HEAD")


def _too_large(settings: ServerSettings) -> ApiError:
    return ApiError(
        413,
        f"The request is larger than {settings.body_bytes:,} bytes.",
        code="request_too_large",
    )


def _is_local(host: str) -> bool:
    """Tell whether a Host header, with or without a port, names this machine."""
    match = LOCAL_HOST.fullmatch(host)
    return match is not None and is_loopback((match[1] or match[2]).lower())
