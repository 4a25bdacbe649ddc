"""The lock of a run's child: a second run waits for what is left of a first that was killed."""

from __future__ import annotations

from phi3scaffold.pipeline.logs import rank_suffix
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError
from phi3scaffold.project.layout import Layout

NAME = ".child-lock"
PATIENCE = 10.0  # seconds; a child ends within two of its parent's end


def hold_child_lock(project: Layout) -> None:
    """Hold the lock of this rank's child, until this process ends."""
    from filelock import FileLock

    lock = FileLock(project.gen / f"{NAME}{rank_suffix()}", timeout=PATIENCE, is_singleton=True)
    lock.acquire()
    _held.append(lock)


_held: list[object] = []  # a lock that nothing refers to is released


def wait_for_children(project: Layout) -> None:
    """Wait until no child of an earlier run is left.

    Raises:
        ScaffoldError: one does not end.
    """
    from filelock import FileLock, Timeout

    for path in project.gen.glob(f"{NAME}*"):
        try:
            with FileLock(path, timeout=PATIENCE):
                pass
        except Timeout:
            raise ScaffoldError(
                "A process of an earlier run is still at work in this project.",
                where=path,
                fix="end it, or wait for it",
                exit_code=FAILED_RUN,
            ) from None
