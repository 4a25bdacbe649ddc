"""Runs the stages a verb asks for: skips what is fresh, gives torch a process of its own."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from phi3scaffold.pipeline import atomic_publish, manifest, ranks
from phi3scaffold.pipeline.environment import peak_bytes
from phi3scaffold.pipeline.events import Emit, Note, StageEnded, StageStarted, ignore
from phi3scaffold.pipeline.hashing import StatCache
from phi3scaffold.pipeline.logs import keep_last_log, rank_suffix
from phi3scaffold.pipeline.stage import (
    Context,
    Stage,
    Stages,
    describe_inputs,
    fingerprint,
    is_fresh,
    versions,
)
from phi3scaffold.pipeline.worker import run_in_child
from phi3scaffold.project.errors import FAILED_RUN, USER_MISTAKE, ScaffoldError
from phi3scaffold.project.formatting import binary_size
from phi3scaffold.project.settings import MARKER, Project

HEAVY_BYTES = 1 << 30  # above this much base weights, each stage gets a process of its own


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
        _bring_up_to_date(project, wanted, stages, emit)
        return
    with ranks.Meeting(rank) as meeting:
        if rank.number == 0:
            _bring_up_to_date(project, wanted, stages, emit, meeting)
        else:
            _help(project, wanted, stages, meeting)


def _bring_up_to_date(
    project: Project,
    wanted: Sequence[str],
    stages: Stages,
    emit: Emit,
    meeting: ranks.Meeting | None = None,
) -> None:
    if not stages[wanted[-1]].wanted(project):
        raise ScaffoldError(
            f"This project has nothing to do for {wanted[-1]}.",
            where=project.root / MARKER,
            fix=f"say there what should be made, under {wanted[-1]}:",
        )
    remaining = [name for name in wanted if stages[name].wanted(project)]
    for name in remaining:
        stages[name].check(project)
    verdict: ScaffoldError | None = None
    with only_run(project):
        atomic_publish.recover([s.folder(project) for s in stages.values()], scratch(project))
        for left in project.gen.glob(
            f"{atomic_publish.SCRATCH}-rank-*"
        ):  # of ranks that were killed
            shutil.rmtree(left, ignore_errors=True)
        try:
            keep_last_log(project)
            if meeting:
                meeting.leave_mark(_mark(project))
            while remaining:
                if meeting and not any(stages[name].parallel for name in remaining):
                    meeting.release()
                stage = stages[remaining[0]]
                fresh = is_up_to_date(stage, project, stages)
                if stage.needs_torch and not fresh:
                    check_room(project, [stages[name] for name in remaining])
                    batch = remaining[:1] if meeting or is_heavy(project) else remaining
                    together = meeting if stage.parallel else None
                    if together:
                        told = f"{together.rank.size} processes train together"
                        emit(Note(stage.name, told))
                        together.gather(current_fingerprint(stage, project, stages))
                    run_in_child(project, batch, emit, together)
                    remaining = remaining[len(batch) :]
                    continue
                run = _skip if fresh else run_stage
                facts = run(stage, project, stages, emit)
                verdict = verdict or (stage.judge(facts) if stage.judge else None)
                remaining.pop(0)
            if verdict is not None:
                raise verdict
        finally:
            atomic_publish.recover([s.folder(project) for s in stages.values()], scratch(project))
            if meeting:
                _mark(project).unlink(missing_ok=True)


def _help(project: Project, wanted: Sequence[str], stages: Stages, meeting: ranks.Meeting) -> None:
    """What a rank that is not the first does for a run."""
    together = next((stages[name] for name in wanted if stages[name].parallel), None)
    if together is not None and meeting.leads_node(_mark(project)):
        before = wanted[: wanted.index(together.name)]
        _bring_up_to_date(project, before, stages, ignore)
    if together is not None and meeting.ready() == ranks.TRAIN:
        if meeting.said(ranks.TRAIN) != current_fingerprint(together, project, stages):
            raise ScaffoldError(
                "Its rows, settings or packages are not those of rank 0.",
                where=project.root,
                fix="the same project and the same environment on every node",
                exit_code=FAILED_RUN,
            )
        run_in_child(project, [together.name], ignore, meeting)
    meeting.hear(ranks.DONE)


def _mark(project: Project) -> Path:
    """What tells ranks that share rank 0's folder from those that have a disk of their own."""
    return project.gen / ".meeting"


def current_fingerprint(stage: Stage, project: Project, stages: Stages) -> str:
    """The stage's fingerprint as things are."""
    with _cache(project) as cache:
        return fingerprint(stage, describe_inputs(stage, project, stages, cache))


def run_here(project: Project, names: Sequence[str], stages: Stages, emit: Emit) -> None:
    """Run stages in this process, fresh ones skipped; the caller holds the lock."""
    verdict: ScaffoldError | None = None
    for name in names:
        stage = stages[name]
        if ranks.here().number:
            _take_part(stage, project, stages)
            continue
        run = _skip if is_up_to_date(stage, project, stages) else run_stage
        facts = run(stage, project, stages, emit)
        verdict = verdict or (stage.judge(facts) if stage.judge else None)
    if verdict is not None:
        raise verdict


def is_up_to_date(stage: Stage, project: Project, stages: Stages) -> bool:
    """See `is_fresh`; through the project's own cache of hashes."""
    with _cache(project) as cache:
        return is_fresh(stage, project, stages, cache)


def run_stage(stage: Stage, project: Project, stages: Stages, emit: Emit) -> dict[str, Any]:
    """Run one stage and publish its folder, whole; returns its facts."""
    about = stage.resources.seconds(project, project.base_bytes)
    emit(StageStarted(stage.name, stage.title, about))
    started = time.monotonic()
    with _cache(project) as cache:
        inputs = describe_inputs(stage, project, stages, cache)
        out = atomic_publish.scratch_for(stage.folder(project), scratch(project))
        decided_by = fingerprint(stage, inputs)
        last = manifest.read(stage.folder(project))
        if last and last.fingerprint == decided_by:  # nothing else can be why it is made again
            changed = manifest.first_difference(stage.folder(project), last, cache)
            told = f"{changed} has changed since it was made, or is gone: making it again"
            emit(Note(stage.name, told))
        kept = atomic_publish.kept_for(stage.folder(project), project.gen, decided_by)
        try:
            facts = stage.run(Context(project, out, kept, emit, stage.reads_from(project, stages)))
        except ScaffoldError as error:
            if error.exit_code == USER_MISTAKE:  # other inputs come next
                shutil.rmtree(kept.parent, ignore_errors=True)
            raise
        made = manifest.Manifest(
            stage=stage.name,
            fingerprint=decided_by,
            inputs=inputs,
            versions=versions(stage.packages),
            files=manifest.list_files(out, cache),
            facts=facts,
            seconds=round(time.monotonic() - started, 3),
            peak_bytes=peak_bytes(),
        )
        manifest.write(out, made)
        atomic_publish.publish(out, stage.folder(project), scratch(project))
        cache.moved(out, stage.folder(project))
        shutil.rmtree(kept.parent, ignore_errors=True)
    emit(StageEnded(stage.name, facts, made.seconds, made.peak_bytes))
    return facts


def _take_part(stage: Stage, project: Project, stages: Stages) -> None:
    """Run a stage with the first rank, which publishes it; nothing stays of this one's."""
    own = project.gen / f"{atomic_publish.SCRATCH}{rank_suffix()}"
    out = atomic_publish.scratch_for(stage.folder(project), own)
    kept = own / "kept" / current_fingerprint(stage, project, stages)[:16]
    try:
        reads = stage.reads_from(project, stages)
        stage.run(Context(project, out, kept, ignore, reads))
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _skip(stage: Stage, project: Project, stages: Stages, emit: Emit) -> dict[str, Any]:
    """Say that a stage is up to date; returns its facts."""
    made = manifest.read(stage.folder(project))
    facts = made.facts if made else {}
    emit(StageEnded(stage.name, facts))
    return facts


def scratch(project: Project) -> Path:
    return project.gen / atomic_publish.SCRATCH


def is_heavy(project: Project) -> bool:
    """Whether the base model's weights are too large to share a process with other stages.

    Before they are there only the embedded model's are known to be small.
    """
    if project.base_bytes:
        return project.base_bytes > HEAVY_BYTES
    return not project.is_demonstration


def check_room(project: Project, stages: Sequence[Stage]) -> None:
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
    """Holds the project's lock; a second run is told of the first instead of waiting."""
    from filelock import FileLock, Timeout

    project.gen.mkdir(parents=True, exist_ok=True)
    lock = FileLock(project.gen / ".lock", timeout=0)
    try:
        with lock:
            yield
    except Timeout:
        raise ScaffoldError(
            "Another run is going on in this project.",
            where=project.gen / ".lock",
            fix="wait for it, or stop it",
            exit_code=FAILED_RUN,
        ) from None


@contextlib.contextmanager
def _cache(project: Project) -> Iterator[StatCache]:
    cache = StatCache(project.gen / ".hashes.json")
    try:
        yield cache
    finally:
        with contextlib.suppress(OSError):
            cache.save()
