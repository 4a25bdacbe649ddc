"""A program in a terminal of its own: keys go in, what is shown comes out."""

from __future__ import annotations

import os
import pty
import select
import time
from collections.abc import Sequence
from pathlib import Path

ENTER, ALT_ENTER, UP, CTRL_C, CTRL_D = "\r", "\x1b\r", "\x1b[A", "\x03", "\x04"
PASTE = "\x1b[200~{}\x1b[201~"


class Terminal:
    """Use it in a `with`; the program is ended at the end."""

    def __init__(self, words: Sequence[str], cwd: Path) -> None:
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            env = {**os.environ, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1", "HOME": str(cwd)}
            os.execvpe(words[0], list(words), env)
        self.seen, self._new = "", ""
        self.code: int | None = None

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *ended: object) -> None:
        if self.code is None:
            os.kill(self.pid, 9)
            os.waitpid(self.pid, 0)
        os.close(self.master)

    def type(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def hear(self, wanted: str, seconds: float = 12) -> str:
        """What is shown up to and with `wanted`, since the last time; fails if it never comes."""
        end = time.monotonic() + seconds
        while wanted not in self._new:
            if time.monotonic() > end or not self._read(0.2):
                raise AssertionError(f"{wanted!r} was not shown, but: {self._new!r}")
        shown, found, self._new = self._new.partition(wanted)
        return shown + found

    def wait(self, seconds: float = 12) -> int:
        """The exit code, once the program has ended."""
        end = time.monotonic() + seconds
        while self._read(0.2):
            if time.monotonic() > end:
                raise AssertionError(f"it did not end, but showed: {self._new!r}")
        self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.code

    def _read(self, seconds: float) -> bool:
        """Take what is there; False once the program has closed its side."""
        if select.select([self.master], [], [], seconds)[0]:
            try:
                text = os.read(self.master, 65536).decode(errors="replace")
            except OSError:
                return False
            self.seen += text
            self._new += text
        return True
