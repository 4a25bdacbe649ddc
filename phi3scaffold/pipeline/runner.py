"""The run: stages are brought up to date in order, those with torch in processes of their own."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from phi3scaffold.pipeline import atomic_publish, ranks
from phi3scaffold.pipeline.child_lock import wait_for_children
from phi3scaffold.pipeline.events import Emit, Note, ignore
from phi3scaffold.pipeline.interruption import stop_request
from phi3scaffold.pipeline.linked_folders import refuse_links
from phi3scaffold.pipeline.logs import keep_last_log
from phi3scaffold.pipeline.stage import Stage, Stages
from phi3scaffold.pipeline.stage_runner import (
    current_fingerprint,
    is_up_to_date,
    run_stage,
    scratch,
    skip_stage,
)
from phi3scaffold.pipeline.worker import run_in_child
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError
from phi3scaffold.project.formatting import binary_size
from phi3scaffold.project.layout import PROJECT_FILE
from phi3scaffold.project.settings import Project

SHARED_MEMORY = 2e9  # bytes; stages that need more than that each get a process of their own


def run_pipeline(project: Project, wanted: Sequence[str], stages: Stages, emit: Emit) -> None:
    """Bring the stages `wanted` (in order) up to date.

    Args:
        project: the project.
        wanted: stage names; every stage before a wanted one must be wanted too. Those that this
            project does not have are left out.
        stages: the graph, in order.
        emit: takes progress events.

    Where this process is one of several ranks, the first runs the pipeline; the others make what
    their node needs, run the parallel stages with it, and return when those are published.

    Raises:
        ScaffoldError: exit code 2 for a mistake in the project, 1 for a stage that failed; what a
            stage's `judge` found is raised last, when the stages behind it have run, too.
    """
    rank = ranks.here()
    if rank.size == 1:
        _run_locked(project, wanted, stages, emit)
        return
    with ranks.Meeting(rank) as meeting:
        if rank.number == 0:
            _run_locked(project, wanted, stages, emit, meeting)
        else:
            _join_parallel_stage(project, wanted, stages, meeting)


def _run_locked(
    project: Project,
    wanted: Sequence[str],
    stages: Stages,
    emit: Emit,
    meeting: ranks.Meeting | None = None,
) -> None:
    """Check the project, and run under its lock; no scratch is left, of earlier runs either."""
    if not stages[wanted[-1]].wanted(project):
        raise ScaffoldError(
            f"This project has nothing to do for {wanted[-1]}.",
            where=project.root / PROJECT_FILE,
            fix=f"say there what should be made, under {wanted[-1]}:",
        )
    names = check_settings(project, wanted, stages)
    folders = [stage.folder(project) for stage in stages.values()]
    with only_run(project):
        atomic_publish.recover(folders, scratch(project))
        for left in project.gen.glob(f"{atomic_publish.SCRATCH}-rank-*"):  # by ranks killed
            shutil.rmtree(left, ignore_errors=True)
        try:
            keep_last_log(project)
            if meeting:
                meeting.leave_mark(_mark(project))
            run_stages(project, names, stages, emit, meeting=meeting)
        finally:
            atomic_publish.recover(folders, scratch(project))
            if meeting:
                _mark(project).unlink(missing_ok=True)


def check_settings(project: Project, wanted: Sequence[str], stages: Stages) -> list[str]:
    """Return the stages that this project has, checked before any runs. Raises ScaffoldError."""
    names = [name for name in wanted if stages[name].wanted(project)]
    for name in names:
        stages[name].check(project)
    return names


def run_stages(
    project: Project,
    names: Sequence[str],
    stages: Stages,
    emit: Emit,
    *,
    isolate: bool = True,
    meeting: ranks.Meeting | None = None,
) -> None:
    """Bring stages up to date, one after the other; the caller holds the lock.

    Args:
        isolate: whether stages with torch get processes of their own, to free their memory.
        meeting: where the other ranks are, which run the parallel stages with this one.

    Raises:
        ScaffoldError: a stage failed; or the first that a stage's `judge` found, at the end.
    """
    verdict: ScaffoldError | None = None
    remaining = list(names)
    while remaining:
        if meeting and not any(stages[name].parallel for name in remaining):
            meeting.release()
        stage = stages[remaining[0]]
        is_fresh = is_up_to_date(stage, project, stages)
        if stage.needs_torch and not is_fresh and isolate:
            ran = _run_isolated(project, remaining, stages, emit, meeting)
            remaining = remaining[ran:]
            continue
        run = skip_stage if is_fresh else run_stage
        facts = run(stage, project, stages, emit)
        stop_request.obey(stage.name)
        verdict = verdict or (stage.judge(facts) if stage.judge else None)
        remaining.pop(0)
    if verdict is not None:
        raise verdict


def _run_isolated(
    project: Project,
    remaining: Sequence[str],
    stages: Stages,
    emit: Emit,
    meeting: ranks.Meeting | None,
) -> int:
    """Run the first stage in a child process, with those behind it where all are small.

    Returns:
        How many ran.
    """
    behind = [stages[name] for name in remaining]
    check_disk(project, behind)
    names = list(remaining if meeting is None and can_share(project, behind) else remaining[:1])
    together = meeting if behind[0].parallel else None
    if together:
        emit(Note(names[0], f"{together.rank.size} processes train together"))
        together.gather(current_fingerprint(behind[0], project, stages))
    run_in_child(project, names, emit, together)
    return len(names)


def _join_parallel_stage(
    project: Project, wanted: Sequence[str], stages: Stages, meeting: ranks.Meeting
) -> None:
    """Run the parallel stage as a rank other than 0; before it, what this node's disk lacks."""
    together = next((stages[name] for name in wanted if stages[name].parallel), None)
    if together is not None and meeting.leads_node(_mark(project)):
        before = wanted[: wanted.index(together.name)]
        _run_locked(project, before, stages, ignore)
    if together is not None and meeting.ready() == ranks.TRAIN:
        if meeting.message(ranks.TRAIN) != current_fingerprint(together, project, stages):
            raise ScaffoldError(
                "Its rows, settings or packages are not those of rank 0.",
                where=project.root,
                fix="the same project and the same environment on every node",
                exit_code=FAILED_RUN,
            )
        run_in_child(project, [together.name], ignore, meeting)
    meeting.wait_for(ranks.DONE)


def _mark(project: Project) -> Path:
    """Return the file that ranks see which share rank 0's folder, and not those on other disks."""
    return project.gen / ".meeting"


def can_share(project: Project, stages: Sequence[Stage]) -> bool:
    """Tell whether stages are small enough to share a process.

    Before the base model is there only the embedded one is known to be small.
    """
    weights = project.base_bytes
    if not weights:
        return project.is_demonstration
    return all(stage.resources.memory(project, weights) <= SHARED_MEMORY for stage in stages)


def check_disk(project: Project, stages: Sequence[Stage]) -> None:
    """Refuse to start what the disk cannot hold.

    Raises:
        ScaffoldError: exit code 2, with what is needed and what is free.
    """
    needed = sum(stage.resources.disk(project, project.base_bytes) for stage in stages)
    free = shutil.disk_usage(project.gen).free
    if needed > free:
        raise ScaffoldError(
            f"The disk is too small: up to {binary_size(needed)} are needed, "
            f"{binary_size(free)} are free.",
            where=project.gen,
            fix="free some disk space, or move the project to a larger disk",
        )


@contextlib.contextmanager
def only_run(project: Project) -> Iterator[None]:
    """Hold the project's lock; refuse a second run instead of letting it wait."""
    from filelock import FileLock, Timeout

    refuse_links(project)
    project.gen.mkdir(parents=True, exist_ok=True)
    lock = FileLock(project.gen / ".lock", timeout=0)
    try:
        with lock:
            wait_for_children(project)
            yield
    except Timeout:
        raise ScaffoldError(
            "Another run is going on in this project.",
            where=project.gen / ".lock",
            fix="wait for it, or stop it",
            exit_code=FAILED_RUN,
        ) from None
