"""A child process for stages that hold gigabytes: when it ends, their memory comes back."""

from __future__ import annotations

import os
import queue
import subprocess
import threading
from collections.abc import Iterable, Iterator, Sequence

from phi3scaffold.pipeline import environment, protocol
from phi3scaffold.pipeline.events import Emit, Failure, from_json
from phi3scaffold.pipeline.interruption import ChildInterrupt
from phi3scaffold.pipeline.logs import log_file
from phi3scaffold.pipeline.ranks import BEAT, SILENCE, Meeting, without_ranks
from phi3scaffold.project.errors import FAILED_RUN, INTERRUPTED, ScaffoldError
from phi3scaffold.project.settings import Project

MODULE = "phi3scaffold.stages.worker"  # the child's program: it knows the stages
GLANCE = 0.5  # seconds; on Windows a thread that waits does not see Ctrl-C


def run_in_child(
    project: Project, names: Sequence[str], emit: Emit, meeting: Meeting | None = None
) -> None:
    """Run stages in a new process and hand its events to `emit`.

    Args:
        meeting: where the other ranks are, which run the same stages with it.

    Raises:
        ScaffoldError: what the child raised; exit code 1 with the log's name when it died, or
            when another rank has failed.
        KeyboardInterrupt: Ctrl-C; it says how far the child came where it has saved that.
    """
    environment.prepare()
    log = log_file(project)
    log.parent.mkdir(parents=True, exist_ok=True)
    work = {"project": project.to_json(), "names": names}
    error: ScaffoldError | None = None
    lost = False
    with log.open("a", encoding="utf-8") as stream, ChildInterrupt() as interrupt:
        process = subprocess.Popen(
            protocol.command(MODULE, work),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stream,
            env=meeting.environment() if meeting else without_ranks(os.environ),
        )
        if meeting:
            meeting.end = process.kill
        assert process.stdin is not None and process.stdout is not None
        interrupt.attach(process.stdin)
        try:
            for message in protocol.read(_lines(process.stdout)):
                event = from_json(message)
                if isinstance(event, Failure):
                    error, lost = event.error, event.lost
                elif event is not None:
                    emit(event)
            process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if error is not None and error.exit_code == INTERRUPTED:
        raise KeyboardInterrupt(error.what)
    if error is None and interrupt.asked:
        raise KeyboardInterrupt
    if error is None and process.returncode:
        error = ScaffoldError(
            f"The stage was ended from outside ({protocol.describe_exit(process.returncode)}).",
            where=log,
            fix="if memory ran out: a smaller max_tokens or batch size, or close other programs; "
            "`phi3scaffold doctor --only memory` says what the model takes",
            exit_code=FAILED_RUN,
        )
    if meeting and error is not None:
        error = meeting.why(error, SILENCE + BEAT if lost else 0.0)
    if error is not None:
        raise error


def _lines(stream: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines of a pipe as another thread reads them, so that Ctrl-C is seen."""
    lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()

    def read() -> None:
        try:
            for line in stream:
                lines.put(line)
        finally:
            lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=GLANCE)
        except queue.Empty:
            continue
        if line is None:
            return
        yield line
