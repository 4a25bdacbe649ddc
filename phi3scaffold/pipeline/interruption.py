"""Ctrl-C in a run: its child finishes the step and saves, or ends; a second one ends it at once.

A terminal sends the signal to parent and child. The child ignores it, and the parent asks it to
stop over its standard input: that also works where only the parent gets the signal, and on Windows.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from typing import IO, Any

from phi3scaffold.project.errors import INTERRUPTED, ScaffoldError


class ChildInterrupt:
    """Asks a child to stop at the first Ctrl-C; the second one raises KeyboardInterrupt.

    A context manager. Outside the main thread, and where the caller has a handler of its own, it
    changes nothing.

    Attributes:
        asked: whether the child was asked to stop.
    """

    def __init__(self) -> None:
        self.asked = False
        self._pipe: IO[bytes] | None = None
        self._before: Any = None

    def __enter__(self) -> ChildInterrupt:
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._before = signal.signal(signal.SIGINT, self._interrupted)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def attach(self, pipe: IO[bytes]) -> None:
        """Take the child's standard input, once there is a child."""
        self._pipe = pipe
        if self.asked:
            self._ask()

    def _interrupted(self, *_: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        self._ask()

    def _ask(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # the child has just ended
            if self._pipe is not None:
                os.write(self._pipe.fileno(), b"stop\n")


class StopRequest:
    """What a child knows of its parent's wish that it stops: `stop_request` is its only one.

    Attributes:
        is_made: whether the parent has asked.
        saves_first: whether this process reaches a point where nothing is lost, and stops there;
            else a request ends it at once.
    """

    def __init__(self) -> None:
        self.is_made = False
        self.saves_first = False

    def listen(self, accepted: Callable[[], None]) -> None:
        """Watch standard input, which nothing else reads from now on.

        Args:
            accepted: called, in a thread, when a request waits for a point to stop at.
        """
        stream = os.dup(0)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        threading.Thread(target=self._watch, args=(stream, accepted), daemon=True).start()

    def obey(self, where: str) -> None:
        """Stop here where that is wanted: nothing would be lost.

        Raises:
            ScaffoldError: with the exit code of an interruption; `where` says how far it came.
        """
        self.saves_first = False
        if self.is_made:
            raise ScaffoldError(f"interrupted after {where}", exit_code=INTERRUPTED)

    def _watch(self, stream: int, accepted: Callable[[], None]) -> None:
        if not os.read(stream, 1):
            return
        self.is_made = True
        if not self.saves_first:
            os._exit(INTERRUPTED)
        accepted()


stop_request = StopRequest()
