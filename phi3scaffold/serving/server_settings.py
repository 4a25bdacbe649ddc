"""The settings of a server, its API key included."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

from phi3scaffold.project.errors import ScaffoldError

KEY_VARIABLE = "PHI3SCAFFOLD_API_KEY"
SHORTEST_KEY = 16  # characters


@dataclass(frozen=True)
class ServerSettings:
    """Address, limits and access of one server.

    Attributes:
        host, port: the address; port 0 takes a free one.
        queue: how many requests may wait.
        timeout: seconds a request may take, the queue included.
        body_bytes: the largest request.
        body_seconds: seconds a client may take to begin or send a request, or to read a piece of
            its answer.
        drain: seconds that open requests get when the server shuts down.
        api_key: what clients have to send; None: they need none.
        origins: origins of web pages that may call, as ``https://HOST``; ``*``: all.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    queue: int = 64
    timeout: float = 300.0
    body_bytes: int = 1 << 20
    body_seconds: int = 10
    drain: float = 30.0
    api_key: str | None = None
    origins: tuple[str, ...] = ()

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address is the loopback interface."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def read_key(file: Path | None) -> str | None:
    """Return the API key of a file or of the environment, never of an argument, which is visible.

    Raises:
        ScaffoldError: the file cannot be read, or the key is too short to be one.
    """
    where = str(file) if file else KEY_VARIABLE
    if file is None:
        key = os.environ.get(KEY_VARIABLE)
        if key is None:
            return None
    else:
        try:
            key = file.expanduser().read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "not UTF-8"
            raise ScaffoldError(f"The API key cannot be read: {why}.", where=file) from None
    key = key.strip()
    if len(key) < SHORTEST_KEY or not key.isascii() or not key.isprintable():
        raise ScaffoldError(
            f"The API key must have at least {SHORTEST_KEY} printable ASCII characters.",
            where=where,
            fix="generate one: python -c 'import secrets; print(secrets.token_urlsafe())'",
        )
    return key


def check_address(settings: ServerSettings) -> None:
    """Refuse an address that other machines can reach, where there is no API key.

    Raises:
        ScaffoldError: the address is not the loopback's, and there is no API key.
    """
    if not settings.loopback and settings.api_key is None:
        raise ScaffoldError(
            f"Others can reach {settings.host}: this needs an API key.",
            where="--host",
            fix=f"set {KEY_VARIABLE}, or give --api-key-file FILE; or stay on 127.0.0.1",
        )
