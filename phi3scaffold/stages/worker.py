"""The child process of a run: runs the stages that its command line names, and ends."""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback

from phi3scaffold.pipeline import events, ranks
from phi3scaffold.pipeline.failures import describe_error
from phi3scaffold.pipeline.logs import log_file
from phi3scaffold.pipeline.runner import run_stages
from phi3scaffold.pipeline.stage_runner import take_part
from phi3scaffold.project.errors import FAILED_RUN
from phi3scaffold.project.settings import Project
from phi3scaffold.stages.graph import STAGES


def main(work: str) -> None:
    """Run the stages that `work` names; report events on standard output, and end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends us
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    given = json.loads(work)
    project = Project.from_json(given["project"])

    def emit(event: events.Event) -> None:
        try:
            stream.write(json.dumps(events.to_json(event)) + "\n")
        except OSError:  # the parent is gone: nobody would know what we made
            os._exit(FAILED_RUN)

    try:
        names = given["names"]
        if ranks.here().number:
            take_part(STAGES[names[0]], project, STAGES)
        else:
            run_stages(project, names, STAGES, emit, isolate=False)
    except BaseException as error:  # noqa: BLE001 (the parent tells it)
        traceback.print_exc()
        described = describe_error(error, log_file(project))
        emit(events.Failure(described, lost=ranks.is_lost_connection(error)))
    sys.stdout.flush()
    sys.stderr.flush()
    stream.close()
    # libraries leave threads behind that can hang the interpreter's shutdown
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
