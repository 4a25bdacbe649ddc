"""A child process for stages that hold gigabytes: when it ends, their memory comes back."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from phi3scaffold.pipeline import environment, protocol
from phi3scaffold.pipeline.events import Emit, Failure, from_json
from phi3scaffold.pipeline.logs import log_file
from phi3scaffold.pipeline.ranks import BEAT, SILENCE, Meeting, without_ranks
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError
from phi3scaffold.project.settings import Project

MODULE = "phi3scaffold.stages.worker"  # the child's program: it knows the stages


def run_in_child(
    project: Project, names: Sequence[str], emit: Emit, meeting: Meeting | None = None
) -> None:
    """Run stages in a new process and hand its events to `emit`.

    Args:
        meeting: where the other ranks are, which run the same stages with it.

    Raises:
        ScaffoldError: what the child raised; exit code 1 with the log's name when it died, or
            when another rank has failed.
    """
    environment.prepare()
    log = log_file(project)
    log.parent.mkdir(parents=True, exist_ok=True)
    work = {"project": project.to_json(), "names": names}
    error: ScaffoldError | None = None
    lost = False
    with log.open("a", encoding="utf-8") as stream:
        process = subprocess.Popen(
            protocol.command(MODULE, work),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stream,
            env=meeting.environment() if meeting else without_ranks(os.environ),
        )
        if meeting:
            meeting.end = process.kill
        assert process.stdout is not None
        try:
            for message in protocol.read(process.stdout):
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
