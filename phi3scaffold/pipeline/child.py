"""The first lines of every child process: it ends when its parent has, however that ended.

Started as ``python -m phi3scaffold.pipeline.child PARENT GRACE MODULE ARGUMENTS``, it makes sure of
that before it imports anything large, and then becomes MODULE.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time

INTERVAL = 0.2  # seconds between two looks at the parent
DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux


def command(module: str, *arguments: str, grace: float = 0.0) -> list[str]:
    """Return the command of a child of this process.

    Args:
        grace: seconds that it may take to finish after its parent's end; 0: it is killed at once.
    """
    here = [str(os.getpid()), str(grace)]
    if not grace and threading.current_thread() is not threading.main_thread():
        here[1] = str(INTERVAL)  # Linux would take the end of this thread for the parent's
    return [sys.executable, "-m", __name__, *here, module, *arguments]


def end_with(parent: int, grace: float = 0.0) -> None:
    """End this process when its parent ends: by the kernel on Linux, else by watching it.

    Args:
        parent: the parent's process id, to see whether it is gone already.
        grace: seconds to go on for.
    """
    if sys.platform == "linux" and not grace:
        import ctypes

        ctypes.CDLL(None).prctl(DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
    else:
        threading.Thread(target=_watch, args=(parent, grace), daemon=True).start()


def _watch(parent: int, grace: float) -> None:
    if sys.platform == "win32":
        import ctypes

        synchronize, for_ever = 0x00100000, 0xFFFFFFFF
        handle = ctypes.windll.kernel32.OpenProcess(synchronize, False, parent)
        if handle:
            ctypes.windll.kernel32.WaitForSingleObject(handle, for_ever)
    else:
        while os.getppid() == parent:
            time.sleep(INTERVAL)
    time.sleep(grace)
    os._exit(1)


def main() -> None:
    """Become the module that the command line names."""
    parent, grace, module, *arguments = sys.argv[1:]
    end_with(int(parent), float(grace))
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
