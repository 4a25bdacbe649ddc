"""How child processes and their parents talk: messages, one JSON object a line.

The child is started as a module; its work is one JSON argument. Its standard output carries
messages, and what libraries print goes to its standard error, which is the log. Messages are
events (`phi3scaffold.pipeline.events`), a failure among them, or what the two agree on besides.
A child whose parent is gone ends; a parent sees the child's end as the end of its messages.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from phi3scaffold.pipeline import child
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError, describe_os_error

Message = Mapping[str, Any]


def encode(message: Message) -> bytes:
    return json.dumps(message).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(line)
    return message


def read(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the messages of a stream of bytes, to its end."""
    return map(decode, lines)


def command(module: str, work: Any, *, grace: float = 0.0) -> list[str]:
    """Return the command of a child: a module that calls `work` for what it shall do.

    Args:
        grace: see `phi3scaffold.pipeline.child`.
    """
    return child.command(module, json.dumps(work), grace=grace)


def work() -> Any:
    """Return what the parent has started this process for, from the command line."""
    return json.loads(sys.argv[1])


class Outlet:
    """Where a child writes its messages. If nobody reads them any more, the process ends.

    Args:
        write: takes a line.
        flush: hands on what was written.
    """

    def __init__(
        self, write: Callable[[bytes], object], flush: Callable[[], object] = lambda: None
    ) -> None:
        self._write, self._flush = write, flush

    def send(self, message: Message, *, flush: bool = True) -> None:
        """Write a message; one that may wait goes with the next one that may not."""
        try:
            self._write(encode(message))
            if flush:
                self._flush()
        except OSError:  # the parent is gone: nobody would know what comes of the work
            os._exit(FAILED_RUN)


def take_stdout() -> Outlet:
    """Use standard output for messages alone; what libraries print goes to standard error."""
    stream = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return Outlet(stream.write, stream.flush)


def output_to(log: Path) -> None:
    """Send what this process and its libraries print to the log."""
    log.parent.mkdir(parents=True, exist_ok=True)
    stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(stream, 1)
    os.dup2(stream, 2)


def ignore_signals(*names: str) -> None:
    """Leave it to the parent to end this process; not every system has every signal."""
    for name in names:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


def leave() -> NoReturn:
    """End this process at once: libraries leave threads that can hang Python's shutdown."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def describe_error(error: BaseException, log: Path) -> ScaffoldError:
    """Return the error as one that a person can act on; an unforeseen one names the log."""
    if isinstance(error, OSError):
        error = describe_os_error(error)
    if isinstance(error, ScaffoldError):
        return error
    first = str(error).strip().splitlines()
    what = f"{type(error).__name__}: {first[0]}" if first else type(error).__name__
    return ScaffoldError(
        f"The stage failed: {what}", where=log, fix="the log tells more", exit_code=FAILED_RUN
    )


def describe_exit(code: int) -> str:
    """Return an exit code in words: the signal that ended the process, if one did."""
    if code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit code {code}"
