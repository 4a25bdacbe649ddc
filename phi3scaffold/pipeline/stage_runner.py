"""One stage: run, published whole and described in its manifest; or skipped when up to date."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from phi3scaffold.pipeline import atomic_publish, manifest
from phi3scaffold.pipeline.environment import peak_bytes
from phi3scaffold.pipeline.events import Emit, Note, StageEnded, StageStarted, ignore
from phi3scaffold.pipeline.hashing import project_cache
from phi3scaffold.pipeline.logs import log_file, rank_suffix
from phi3scaffold.pipeline.stage import (
    Context,
    Facts,
    Stage,
    Stages,
    describe_inputs,
    fingerprint,
    is_fresh,
    versions,
)
from phi3scaffold.project.errors import USER_MISTAKE, ScaffoldError
from phi3scaffold.project.settings import Project


def current_fingerprint(stage: Stage, project: Project, stages: Stages) -> str:
    """Return the fingerprint that the stage's result would have now."""
    with project_cache(project) as cache:
        return fingerprint(stage, describe_inputs(stage, project, stages, cache))


def is_up_to_date(stage: Stage, project: Project, stages: Stages) -> bool:
    """Tell whether the stage has nothing to do; see `is_fresh`."""
    with project_cache(project) as cache:
        return is_fresh(stage, project, stages, cache)


def run_stage(stage: Stage, project: Project, stages: Stages, emit: Emit) -> Facts:
    """Run one stage and publish its folder, whole; return its facts."""
    about = stage.resources.seconds(project, project.base_bytes)
    emit(StageStarted(stage.name, stage.title, about))
    started = time.monotonic()
    folder = stage.folder(project)
    with project_cache(project) as cache:
        inputs = describe_inputs(stage, project, stages, cache)
        decided_by = fingerprint(stage, inputs)
        last = manifest.read(folder)
        if last and last.fingerprint == decided_by:  # nothing else can be why it is made again
            changed = manifest.first_difference(folder, last, cache)
            text = f"{changed} has changed since it was made, or is gone: making it again"
            emit(Note(stage.name, text))
        partial = atomic_publish.partial_for(folder, project.gen, decided_by)
        context = _context(stage, project, stages, scratch(project), partial, emit)
        try:
            facts = stage.run(context)
        except ScaffoldError as error:
            if error.exit_code == USER_MISTAKE:  # other inputs come next
                shutil.rmtree(partial.parent, ignore_errors=True)
            raise
        record = manifest.Manifest(
            stage=stage.name,
            fingerprint=decided_by,
            inputs=inputs,
            versions=versions(stage.packages),
            files=manifest.list_files(context.out, cache),
            facts=facts,
            seconds=round(time.monotonic() - started, 3),
            peak_bytes=peak_bytes(),
        )
        manifest.write(context.out, record)
        atomic_publish.publish(context.out, folder, scratch(project))
        cache.moved(context.out, folder)
        shutil.rmtree(context.scratch, ignore_errors=True)
        shutil.rmtree(partial.parent, ignore_errors=True)
    emit(StageEnded(stage.name, facts, record.seconds, record.peak_bytes))
    return facts


def take_part(stage: Stage, project: Project, stages: Stages) -> None:
    """Run a stage together with rank 0, which publishes it; nothing stays of this rank's."""
    own = project.gen / f"{atomic_publish.SCRATCH}{rank_suffix()}"
    partial = own / "partial" / current_fingerprint(stage, project, stages)[:16]
    try:
        stage.run(_context(stage, project, stages, own, partial, ignore))
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _context(
    stage: Stage, project: Project, stages: Stages, root: Path, partial: Path, emit: Emit
) -> Context:
    """Return what the stage works with; its new folders lie in `root`."""
    folder = stage.folder(project)
    return Context(
        project=project,
        out=atomic_publish.scratch_for(folder, root),
        scratch=atomic_publish.scratch_for(folder.with_name(f"{folder.name}-scratch"), root),
        partial=partial,
        log=log_file(project),
        emit=emit,
        reads=stage.reads_from(project, stages),
    )


def skip_stage(stage: Stage, project: Project, stages: Stages, emit: Emit) -> Facts:
    """Report a stage that is up to date; return its facts."""
    record = manifest.read(stage.folder(project))
    facts = record.facts if record else {}
    emit(StageEnded(stage.name, facts))
    return facts


def scratch(project: Project) -> Path:
    """Return the folder for what is not published yet; no run leaves it behind."""
    return project.gen / atomic_publish.SCRATCH
