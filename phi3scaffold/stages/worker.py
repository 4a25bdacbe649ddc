"""The child process of a run: runs the stages that its command line names, and ends."""

from __future__ import annotations

import traceback

from phi3scaffold.pipeline import protocol, ranks
from phi3scaffold.pipeline.child_lock import hold_child_lock
from phi3scaffold.pipeline.events import Event, Failure, Note, to_json
from phi3scaffold.pipeline.interruption import stop_request
from phi3scaffold.pipeline.logs import log_file
from phi3scaffold.pipeline.runner import run_stages
from phi3scaffold.pipeline.stage_runner import take_part
from phi3scaffold.project.errors import INTERRUPTED, ScaffoldError
from phi3scaffold.project.settings import Project
from phi3scaffold.stages.graph import STAGES
from phi3scaffold.training.library_warnings import leave_out_known_warnings


def main() -> None:
    """Run the stages that the parent names, report events, and end."""
    protocol.ignore_signals("SIGINT")  # the parent ends us
    leave_out_known_warnings()
    outlet = protocol.take_stdout()
    work = protocol.work()
    project, names = Project.from_json(work["project"]), work["names"]

    def emit(event: Event) -> None:
        outlet.send(to_json(event))

    text = "finishing this step, then saving; Ctrl-C again ends at once"
    stop_request.listen(lambda: emit(Note("run", text)))
    try:
        hold_child_lock(project)
        if ranks.here().number:
            take_part(STAGES[names[0]], project, STAGES)
        else:
            run_stages(project, names, STAGES, emit, isolate=False)
    except BaseException as error:  # noqa: BLE001 (the parent reports it)
        if not (isinstance(error, ScaffoldError) and error.exit_code == INTERRUPTED):
            traceback.print_exc()
        described = protocol.describe_error(error, log_file(project))
        emit(Failure(described, lost=ranks.is_lost_connection(error)))
    protocol.leave()


if __name__ == "__main__":
    main()
