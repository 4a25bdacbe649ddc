"""Who makes the shards: this process for little data, one worker a core for much."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from phi3scaffold.datasets.shards import Maker
from phi3scaffold.datasets.spec import DatasetSpec
from phi3scaffold.pipeline import child
from phi3scaffold.pipeline.machine import cores
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError

WORTH = 8 << 20  # bytes of rows; below that a worker starts slower than it helps
AHEAD = 3  # tasks given out for each worker, so that none ever waits

_maker: Maker | None = None  # a worker's own

# Python before it waits for ever to write to a worker that was killed (python/cpython issue 94777).
NO_HANG = (3, 11, 5)


class WorkerPool:
    """Does tasks in order.

    Args:
        spec, tokenizer, folder: see `Maker`.
        workers: how many processes; 0 for this one alone.
    """

    def __init__(self, spec: DatasetSpec, tokenizer: Path, folder: Path, workers: int) -> None:
        self._recipe = (spec, tokenizer, folder)
        self._workers = workers
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> WorkerPool:
        if self._workers:
            self._pool = ProcessPoolExecutor(
                self._workers,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_begin,
                initargs=self._recipe,
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool:
            if sys.version_info < NO_HANG:
                _unblock(self._pool)
            self._pool.shutdown(cancel_futures=True)

    def do(self, method: str, tasks: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        """Yield what a method of `Maker` returns for each task, in the order of the tasks.

        The first error in that order is raised, whoever is faster; one that `tasks` itself raises
        comes after those of the tasks before it.
        """
        pending: deque[Callable[[], Any]] = deque()
        for result in self._begun(method, tasks):
            pending.append(result)
            while len(pending) > self._workers * AHEAD:
                yield _result(pending.popleft())
        while pending:
            yield _result(pending.popleft())

    def _begun(self, method: str, tasks: Iterable[tuple[Any, ...]]) -> Iterator[Callable[[], Any]]:
        """Yield how to get each task's result; the last may raise what `tasks` raised."""
        try:
            for task in tasks:
                yield self._begin(method, task)
        except (ScaffoldError, BrokenProcessPool) as error:  # the latter where it takes no more
            yield partial(_fail, error)

    def _begin(self, method: str, task: tuple[Any, ...]) -> Callable[[], Any]:
        if self._pool is None:
            return lambda: getattr(self._own, method)(*task)
        future: Future[Any] = self._pool.submit(_do, method, task)
        return future.result

    @cached_property
    def _own(self) -> Maker:
        return Maker(*self._recipe)


def _unblock(pool: ProcessPoolExecutor) -> None:
    """Close the queue of a pool whose worker was killed, which nobody reads any more."""
    reader = getattr(getattr(pool, "_call_queue", None), "_reader", None)
    if getattr(pool, "_broken", False) and reader is not None:
        with contextlib.suppress(OSError):
            reader.close()


def worth(size: int) -> int:
    """Return how many workers rows of `size` bytes are worth."""
    return cores() if size >= WORTH and cores() > 1 else 0


def _fail(error: Exception) -> None:
    raise error


def _result(task: Callable[[], Any]) -> Any:
    try:
        return task()
    except BrokenProcessPool:
        raise ScaffoldError(
            "A process that prepares the rows was ended from outside.",
            fix="if memory ran out, close other programs; finished work is kept",
            exit_code=FAILED_RUN,
        ) from None


def _begin(spec: DatasetSpec, tokenizer: Path, folder: Path) -> None:
    """Set up a worker process."""
    global _maker
    child.end_with(os.getppid())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # one core each: the tokenizer's and numpy's own threads would only be in each other's way
    os.environ.update(TOKENIZERS_PARALLELISM="false", OMP_NUM_THREADS="1")
    _maker = Maker(spec, tokenizer, folder)


def _end_with_parent() -> None:
    """End this worker when its parent is killed; it would wait for tasks forever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(FAILED_RUN)


def _do(method: str, task: tuple[Any, ...]) -> Any:
    return getattr(_maker, method)(*task)
