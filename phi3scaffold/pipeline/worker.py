"""A child process for stages that hold gigabytes: when it ends, their memory comes back.

The child's standard output carries events, one JSON object a line; what the libraries in it print
goes to the log.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from phi3scaffold.pipeline import environment
from phi3scaffold.pipeline.ranks import (
    BEAT,
    SILENCE,
    Meeting,
    alone,
    is_lost_connection,
)
from phi3scaffold.pipeline.stage import Emit
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError, describe_os_error
from phi3scaffold.project.settings import Project


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
    from phi3scaffold.pipeline.runner import log_file

    environment.prepare()
    log = log_file(project)
    log.parent.mkdir(parents=True, exist_ok=True)
    work = json.dumps({"project": project.to_json(), "names": names})
    error: ScaffoldError | None = None
    lost = False
    with log.open("a", encoding="utf-8") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, work],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
            encoding="utf-8",
            env=meeting.environment() if meeting else alone(os.environ),
        )
        if meeting:
            meeting.end = process.kill
        assert process.stdout is not None
        try:
            for line in process.stdout:
                event = json.loads(line)
                if event["kind"] == "error":
                    error, lost = ScaffoldError(**event["error"]), event["lost"]
                else:
                    emit(event)
            process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if error is None and process.returncode:
        error = ScaffoldError(
            f"The stage was ended from outside ({why_it_ended(process.returncode)}).",
            where=log,
            fix="if memory ran out: a smaller max_tokens or batch size, or close other programs; "
            "`phi3scaffold doctor --only memory` says what the model takes",
            exit_code=FAILED_RUN,
        )
    if meeting and error is not None:
        error = meeting.why(error, SILENCE + BEAT if lost else 0.0)
    if error is not None:
        raise error


def why_it_ended(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit code {code}"


def main(work: str) -> None:
    """The child's whole life."""
    from phi3scaffold.pipeline.runner import log_file, run_here
    from phi3scaffold.stages.graph import STAGES

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends us
    events = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    given = json.loads(work)
    project = Project.from_json(given["project"])

    def emit(event: dict[str, Any]) -> None:
        try:
            events.write(json.dumps(event) + "\n")
        except OSError:  # the parent is gone: nobody would know what we made
            os._exit(FAILED_RUN)

    try:
        run_here(project, given["names"], STAGES, emit)
    except BaseException as error:  # noqa: BLE001 (the parent tells it)
        traceback.print_exc()
        told = describe_error(error, log_file(project))
        emit({"kind": "error", "error": told, "lost": is_lost_connection(error)})
    sys.stdout.flush()
    sys.stderr.flush()
    events.close()
    # libraries leave threads behind that can hang the interpreter's shutdown
    os._exit(0)


def describe_error(error: BaseException, log: Path) -> dict[str, Any]:
    """The error as `ScaffoldError`'s arguments; one we did not foresee names the log."""
    if isinstance(error, OSError):
        error = describe_os_error(error)
    if isinstance(error, ScaffoldError):
        return {
            "what": error.what,
            "where": error.where,
            "fix": error.fix,
            "exit_code": error.exit_code,
        }
    first = str(error).strip().splitlines()
    what = f"{type(error).__name__}: {first[0]}" if first else type(error).__name__
    return {
        "what": f"The stage failed: {what}",
        "where": str(log),
        "fix": "the log tells more",
        "exit_code": FAILED_RUN,
    }


if __name__ == "__main__":
    main(sys.argv[1])
