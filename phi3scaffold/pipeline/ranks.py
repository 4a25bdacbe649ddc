"""Ranks: which of several processes this one is, and the messages between them.

The facts are torchrun's environment, which is also what Azure ML sets for `distribution: pytorch`:
every process runs the same command. Rank 0 alone runs the pipeline, reports progress and writes
results. The others join it for the stages that are `parallel`; on its own disk each node's first
rank makes what that needs. They meet through torch's key-value store, and no rank waits for one
that is gone: each says every second that it is there, and the first to fail says why.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError

NAMES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
HOSTED = "TORCHELASTIC_USE_AGENT_STORE"  # torch's own: another process holds the store
BEAT = 1.0  # seconds between two signs of life
SILENCE = 60.0  # seconds without one, and a rank counts as gone
ARRIVAL = 900.0  # seconds for the first one: nodes do not start together
GOODBYE = 10.0  # seconds that a failed run waits for the others to have heard of it

# Messages: by rank 0 alone, or by each with its number behind it.
MARK, TRAIN, DONE, FAILED, HEARD = "mark", "train", "done", "failed", "heard"
ALIVE, READY, BYE, NODE = "alive", "ready", "bye", "node"


@dataclass(frozen=True)
class Rank:
    """One of `size` processes.

    Attributes:
        number: 0 to size - 1; 0 runs the pipeline.
        local: its number on its node, whose ranks follow one another.
        size: how many there are, on all nodes.
    """

    number: int = 0
    local: int = 0
    size: int = 1

    @property
    def leader(self) -> int:
        """Return the first rank of its node."""
        return self.number - self.local


def here() -> Rank:
    """Return this process's rank. Raises ScaffoldError where the environment says half of it."""
    try:
        size = int(os.environ.get("WORLD_SIZE", "1"))
        if size == 1 or "RANK" not in os.environ:
            return Rank()
        number = int(os.environ["RANK"])
        rank = Rank(number, int(os.environ.get("LOCAL_RANK", "0")), size)
        int(os.environ["MASTER_PORT"])
        if os.environ["MASTER_ADDR"] and 0 <= rank.leader <= number < size:
            return rank
    except (KeyError, ValueError):
        pass
    environment = ", ".join(f"{name}={os.environ.get(name, '')}" for name in NAMES)
    raise ScaffoldError(
        "The environment names several processes, and not all that they need to meet.",
        where=environment,
        fix="let torchrun or Azure ML set it, or --nproc; for one process, unset RANK, WORLD_SIZE",
    )


def without_ranks(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without what makes libraries look for other processes."""
    hidden = (*NAMES, "NODE_RANK", "GROUP_RANK")
    return {
        name: value
        for name, value in environment.items()
        if name not in hidden and not name.startswith("TORCHELASTIC_")
    }


def join(*, use_cpu: bool) -> None:
    """Become one of the ranks that train together; nothing where this process is alone.

    Where each rank has a GPU, torch's current device is that of `Rank.local` afterwards.
    """
    rank = here()
    if rank.size == 1:
        return
    import torch

    backend = "gloo" if use_cpu or not torch.cuda.is_available() else "nccl"
    if backend == "nccl":
        if rank.local >= torch.cuda.device_count():
            raise ScaffoldError(
                f"There are {torch.cuda.device_count()} GPUs on this node, and more processes.",
                fix="one process for each GPU",
            )
        torch.cuda.set_device(rank.local)
    store = torch.distributed.PrefixStore("together", _store(rank))
    torch.distributed.init_process_group(
        backend, store=store, rank=rank.number, world_size=rank.size
    )


def is_lost_connection(error: BaseException) -> bool:
    """Tell whether an error says no more than that another rank is gone."""
    torch = sys.modules.get("torch")
    if torch is None or here().size == 1:
        return False
    known = torch.distributed.DistError
    return isinstance(error, known) or (isinstance(error, RuntimeError) and "gloo" in str(error))


def _store(rank: Rank) -> Any:
    """Open torch's key-value store at MASTER_ADDR: torchrun's, or one that rank 0 holds."""
    from torch.distributed import PrefixStore, TCPStore

    store = TCPStore(
        os.environ["MASTER_ADDR"],
        int(os.environ["MASTER_PORT"]),
        is_master=rank.number == 0 and os.environ.get(HOSTED) != "True",
        timeout=timedelta(seconds=ARRIVAL),
        wait_for_workers=False,
    )
    return PrefixStore("phi3scaffold", store)


class Meeting:
    """Where the ranks of one run report to each other; a context manager.

    Left by an exception, the others end with it, too: rank 0 raises what another rank reported,
    with that rank's number; the others end silently once rank 0 has heard of it.

    Attributes:
        rank: this process's.
        trouble: what another rank failed with, once it is known.
        end: called, in a thread, as soon as there is trouble.
    """

    def __init__(self, rank: Rank) -> None:
        self.rank = rank
        self.trouble: ScaffoldError | None = None
        self.end: Callable[[], None] = lambda: None
        self._over = threading.Event()
        others = range(1, rank.size) if rank.number == 0 else (0,)
        self._seen = {number: (b"", time.monotonic()) for number in others}

    def __enter__(self) -> Meeting:
        try:
            self.store = _store(self.rank)
        except Exception as error:  # noqa: BLE001 (torch raises several kinds)
            raise ScaffoldError(
                f"Rank {self.rank.number} does not reach rank 0: {str(error).splitlines()[0]}",
                where=f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}",
                exit_code=FAILED_RUN,
            ) from None
        self.store.add(f"{NODE}/{self.rank.leader}", 1)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._terminated)  # torchrun ends all when one has failed
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, kind: Any, error: BaseException | None, _: Any) -> None:
        try:
            self._leave(error)
        finally:
            self._over.set()

    def announce(self, word: str, text: str = "") -> None:
        """Publish a word, with a text that belongs to it."""
        self.store.set(word, text)

    def message(self, word: str) -> str:
        """Return the text of a word, once that was announced."""
        return str(self.store.get(word).decode())

    def wait_for(self, *words: str) -> str:
        """Wait until one of the words was announced, and return it. Raises `trouble`."""
        while True:
            if self.trouble is not None:
                raise self.trouble
            with self._reached():
                for word in words:
                    if self.store.check([word]):
                        return word
            time.sleep(0.05)

    def leave_mark(self, mark: Path) -> None:
        """Write, as rank 0, a word of this run where others may find it, and announce it."""
        word = secrets.token_hex(8)
        mark.write_text(word, encoding="utf-8")
        self.announce(MARK, word)

    def leads_node(self, mark: Path) -> bool:
        """Tell, as a rank other than 0, whether it is the first that works in its folder."""
        if self.rank.number != self.rank.leader or self.wait_for(DONE, MARK) == DONE:
            return False
        return not mark.exists() or mark.read_text(encoding="utf-8") != self.message(MARK)

    def gather(self, text: str) -> None:
        """Wait, as rank 0, until all are ready, and let them begin; `text` says with what."""
        for number in range(1, self.rank.size):
            self.wait_for(f"{READY}/{number}")
        self.announce(TRAIN, text)

    def release(self) -> None:
        """Announce, as rank 0, that nothing more is to be done together."""
        self.announce(DONE)

    def ready(self) -> str:
        """Wait, as a rank other than 0, for what rank 0 has to do: TRAIN or DONE."""
        if self.rank.leader not in (0, self.rank.number):
            self.wait_for(f"{READY}/{self.rank.leader}", DONE)
        self.announce(f"{READY}/{self.rank.number}")
        return self.wait_for(TRAIN, DONE)

    def environment(self) -> dict[str, str]:
        """Return the environment of a process that `join`s, with its share of the node's cores."""
        from phi3scaffold.pipeline.environment import physical_cores

        share = max(1, physical_cores() // self.store.add(f"{NODE}/{self.rank.leader}", 0))
        return {"OMP_NUM_THREADS": str(share), **os.environ, HOSTED: "True"}

    def why(self, error: ScaffoldError, limit: float) -> ScaffoldError:
        """Return the failure of another rank that `error` follows from, if it comes in time."""
        end = time.monotonic() + limit
        while self.trouble is None and time.monotonic() < end:
            time.sleep(0.05)
        return self.trouble or error

    def _leave(self, error: BaseException | None) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it is ending
        if error is not None and self.trouble is None:
            self._fail(error)
        with contextlib.suppress(Exception):  # the store may be gone
            if self.rank.number == 0:
                self.announce(HEARD if error else DONE)
                self._await_others(range(1, self.rank.size), GOODBYE if error else None)
                return
            heard = error is not None and self._await_others((), GOODBYE)
            self.announce(f"{BYE}/{self.rank.number}")
            if heard:
                raise SystemExit(getattr(error, "exit_code", FAILED_RUN))

    def _await_others(self, numbers: Any, limit: float | None) -> bool:
        """Wait until these ranks have left (rank 0), or rank 0 has heard of a failure."""
        words = [f"{BYE}/{number}" for number in numbers] or [HEARD]
        end = None if limit is None else time.monotonic() + limit
        while not self.store.check(words):
            if end is not None and time.monotonic() > end:
                return False
            if end is None and self.trouble is not None:
                return False
            time.sleep(0.05)
        return True

    def _fail(self, error: BaseException) -> None:
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            error = ScaffoldError("It was ended.")
        if not isinstance(error, ScaffoldError):
            error = ScaffoldError(repr(error))
        report = {"rank": self.rank.number, **error.to_json()}
        with contextlib.suppress(Exception):
            self.store.compare_set(FAILED, "", json.dumps(report))

    def _watch(self) -> None:
        beats = 0
        while not self._over.wait(BEAT if beats else 0):
            beats += 1
            try:
                with self._reached():
                    self.store.set(f"{ALIVE}/{self.rank.number}", str(beats))
                    trouble = self._look()
            except ScaffoldError as error:
                trouble = error
            if trouble is not None and not self._over.is_set():
                self.trouble = trouble
                self.end()
                return

    def _look(self) -> ScaffoldError | None:
        """Return what is wrong with the others."""
        if self.store.check([FAILED]):
            report = json.loads(self.store.get(FAILED))
            if report["rank"] != self.rank.number:
                what = f"Rank {report['rank']} failed: {report['what']}"
                return ScaffoldError.from_json({**report, "what": what, "exit_code": FAILED_RUN})
        for number, (last, when) in self._seen.items():
            word = f"{ALIVE}/{number}"
            sign = self.store.get(word) if self.store.check([word]) else b""
            if sign != last or self.store.check([f"{BYE}/{number}"]):
                self._seen[number] = (sign, time.monotonic())
            elif time.monotonic() - when > (SILENCE if last else ARRIVAL):
                silent = time.monotonic() - when
                return ScaffoldError(
                    f"Rank {number} has given no sign for {silent:.0f} s.", exit_code=FAILED_RUN
                )
        return None

    @contextlib.contextmanager
    def _reached(self) -> Any:
        try:
            yield
        except Exception as error:
            raise ScaffoldError(
                "Rank 0 is gone.", fix="its own log says why", exit_code=FAILED_RUN
            ) from error

    def _terminated(self, *_: Any) -> None:
        raise self.why(ScaffoldError("It was ended.", exit_code=FAILED_RUN), 2 * BEAT)
