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
        port: 0 takes a free one.
        queue: how many requests may wait.
        timeout: seconds a request may take, the queue included.
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
    try:
        key = file.expanduser().read_text(encoding="utf-8") if file else os.environ[KEY_VARIABLE]
    except KeyError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8"
        raise ScaffoldError(f"The API key cannot be read: {why}.", where=file) from None
    key = key.strip()
    if len(key) < SHORTEST_KEY or not key.isascii() or not key.isprintable():
        raise ScaffoldError(
            f"The API key must have at least {SHORTEST_KEY} printable ASCII characters.",
            where=file or KEY_VARIABLE,
            fix="generate one: python -c 'import secrets; print(secrets.token_urlsafe())'",
        )
    return key
