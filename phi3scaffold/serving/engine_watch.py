"""Signs of life of the engine, and the requests that ended it."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict
from typing import Any

from phi3scaffold.inference.api_error import ApiError
from phi3scaffold.inference.request import Request

TICK = 1.0  # seconds between two pings
SILENCE = 4  # ticks without a sign of life after which an engine is replaced
TWICE = 2
REFUSED_SECONDS = 3600.0  # such a request is taken again after so long: memory may have been short
MOST_REMEMBERED = 1000


class SignsOfLife:
    """Counts the seconds in which a busy engine says nothing.

    They are counted, not read off a clock: where this process was stopped itself, nothing counts.
    """

    def __init__(self) -> None:
        self._silent, self._most = 0, float(SILENCE)

    def heard(self, message: dict[str, Any]) -> None:
        """Note a message; one may say for how long the engine will say nothing."""
        self._silent = 0
        if "most" in message:
            self._most = max(float(SILENCE), message["most"])
        elif message["kind"] != "alive":
            self._most = float(SILENCE)

    def tick(self, busy: bool) -> bool:
        """Count a tick; return whether the engine has been silent for too long."""
        self._silent = self._silent + 1 if busy else 0
        return self._silent > self._most


class CrashRecord:
    """The requests that ended the engine, by their hash."""

    def __init__(self) -> None:
        self._crashes: dict[str, tuple[int, float]] = {}  # hash -> how often, and the last time

    def add(self, request: Request) -> None:
        """Note that the engine ended while it answered a request."""
        key = _hash(request)
        often, _ = self._crashes.pop(key, (0, 0.0))
        self._crashes[key] = (often + 1, time.monotonic())
        if len(self._crashes) > MOST_REMEMBERED:
            del self._crashes[next(iter(self._crashes))]

    def answered(self, request: Request) -> None:
        """Forget the crashes of a request that was answered after all."""
        if self._crashes:
            self._crashes.pop(_hash(request), None)

    def check(self, request: Request) -> None:
        """Raise ApiError for a request that has ended the engine twice."""
        if not self._crashes:
            return
        often, last = self._crashes.get(_hash(request), (0, 0.0))
        if often >= TWICE and time.monotonic() - last < REFUSED_SECONDS:
            raise ApiError(
                400,
                "This request has ended the engine twice and is refused for an hour.",
                code="request_refused",
            )


def _hash(request: Request) -> str:
    """Return the hash of what a request asks for, however it wants the answer sent."""
    text = json.dumps({**asdict(request), "stream": None}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
