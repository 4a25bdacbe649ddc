"""A folder that appears whole or not at all: built beside its destination, then renamed."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.files import to_disk, tree_to_disk


def check_destination(destination: Path) -> None:
    """Refuse a file, and a folder that is not empty."""
    if destination.is_dir():
        if any(destination.iterdir()):
            raise ScaffoldError(
                "The folder is not empty.",
                where=destination,
                fix="name a new folder; nothing was changed",
            )
    elif os.path.lexists(destination):
        raise ScaffoldError("There is a file of that name.", where=destination)


@contextmanager
def published(destination: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `destination`; rename it there when the block succeeds.

    After a failure, Ctrl-C or SIGTERM nothing is left, neither the temporary folder nor parents
    that were made for it.

    Raises:
        ScaffoldError: the destination is in use or cannot be written.
    """
    check_destination(destination)
    made: list[Path] = []
    staging: Path | None = None
    with signals_raise():
        try:
            _make_parents(destination.parent, made)
            staging = Path(tempfile.mkdtemp(prefix=f".{destination.name}.", dir=destination.parent))
            yield staging
            umask = os.umask(0o022)
            os.umask(umask)
            staging.chmod(0o777 & ~umask)  # mkdtemp's is 0700
            tree_to_disk(staging)
            _move(staging, destination)
            to_disk(destination.parent)
        except BaseException as error:
            with signals_wait():
                if staging is not None:
                    shutil.rmtree(staging, ignore_errors=True)
                for folder in reversed(made):
                    with suppress(OSError):
                        folder.rmdir()
            if isinstance(error, OSError):  # about the destination: the temporary path is gone
                what = error.strerror or str(error)
                raise type(error)(error.errno, what, str(destination)) from error
            raise


def _make_parents(folder: Path, made: list[Path]) -> None:
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for parent in reversed(missing):
        parent.mkdir()
        made.append(parent)


def _move(staging: Path, destination: Path) -> None:
    if not destination.exists():
        staging.rename(destination)
        return
    # An empty folder may be somebody's current folder: fill it, do not replace it.
    check_destination(destination)
    moved: list[Path] = []
    try:
        for entry in sorted(staging.iterdir()):
            target = destination / entry.name
            entry.rename(target)
            moved.append(target)
    except BaseException:
        for target in moved:
            shutil.rmtree(target) if target.is_dir() else target.unlink()
        raise
    staging.rmdir()


def signals_raise() -> AbstractContextManager[None]:
    """Let SIGTERM and SIGHUP end the block by an exception, so that what follows it runs."""

    def stop(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    return signals_handled(stop, "SIGTERM", "SIGHUP")


def signals_wait() -> AbstractContextManager[None]:
    """Ignore Ctrl-C, SIGTERM and SIGHUP inside the block: a second one interrupts no clean-up."""
    return signals_handled(signal.SIG_IGN, "SIGINT", "SIGTERM", "SIGHUP")


@contextmanager
def signals_handled(handler: Any, *names: str) -> Iterator[None]:
    """Handle signals so inside the block; only the main thread can, others leave them as is."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler_before in before.items():
            signal.signal(number, handler_before)
