"""What a stage is: what it reads, what decides it, what it writes."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from phi3scaffold import __version__
from phi3scaffold.pipeline import manifest
from phi3scaffold.pipeline.hashing import StatCache, digest
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError
from phi3scaffold.project.settings import Project

Emit = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Inputs:
    """What decides a stage's result besides the stages before it."""

    files: tuple[Path, ...] = ()
    settings: Any = None


@dataclass(frozen=True)
class Context:
    """What a stage is given to work with.

    Attributes:
        project: the project.
        out: an empty folder; what lies in it afterwards is published.
        kept: a folder that outlives a killed run, for pieces that need not be made twice; the
            same inputs and versions find it again. It may not exist yet, and goes when the stage
            is published or the user has to mend something.
        emit: takes progress events, such as ``{"kind": "step", "step": 3, "of": 10}``.
    """

    project: Project
    out: Path
    kept: Path
    emit: Emit


@dataclass(frozen=True)
class Stage:
    """One room of the pipeline.

    Attributes:
        name: the verb.
        title: what the user reads while it runs.
        folder: the folder it publishes.
        inputs: the files and settings that decide its result.
        run: does the work; returns facts for the manifest.
        after: the stages it reads from.
        packages: distributions whose version decides the result.
        needs_torch: whether it runs in a child process, so that its memory comes back.
        parallel: whether all ranks run it together, where there are several; needs_torch, too.
        room: bytes of disk it needs at most, scratch and result; checked before it starts.
        seconds: about how long it takes, where it cannot count steps; 0 where it can, or is quick.
        wanted: whether this project has it at all; left out silently where not, also as one that
            another stage reads from.
        judge: from the facts, the error that a published result may still be; it is raised when
            the stages behind have run, too, and again by every run that finds all up to date.
        check: raises ScaffoldError for what can be known to be wrong before any stage runs.
    """

    name: str
    title: str
    folder: Callable[[Project], Path]
    inputs: Callable[[Project], Inputs]
    run: Callable[[Context], dict[str, Any]]
    after: tuple[str, ...] = ()
    packages: tuple[str, ...] = field(default=())
    needs_torch: bool = False
    parallel: bool = False
    room: Callable[[Project], int] = lambda project: 0
    seconds: Callable[[Project], float] = lambda project: 0.0
    wanted: Callable[[Project], bool] = lambda project: True
    judge: Callable[[dict[str, Any]], ScaffoldError | None] = lambda facts: None
    check: Callable[[Project], None] = lambda project: None

    def reads_from(self, project: Project, stages: dict[str, Stage]) -> list[Stage]:
        """The stages of `after` that this project has."""
        return [stages[name] for name in self.after if stages[name].wanted(project)]


def versions(packages: tuple[str, ...]) -> dict[str, str | None]:
    """package -> installed version, None where it is not installed; ours always among them."""
    found: dict[str, str | None] = {"phi3scaffold": __version__}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = None
    return found


def describe_inputs(
    stage: Stage, project: Project, stages: dict[str, Stage], cache: StatCache
) -> dict[str, str]:
    """name -> sha256 of every file, setting and upstream folder that decides the stage.

    Raises:
        ScaffoldError: an input is missing, or an upstream folder is not there.
    """
    inputs = stage.inputs(project)
    found: dict[str, str] = {"settings": digest(inputs.settings)}
    for file in inputs.files:
        try:
            found[_name(file, project)] = cache.sha256(file)
        except FileNotFoundError:
            raise ScaffoldError("A file is missing.", where=file) from None
    for before in stage.reads_from(project, stages):
        upstream = manifest.read(before.folder(project))
        if upstream is None:
            raise ScaffoldError(
                f"The stage {stage.name} needs what {before.name} makes, and it is not there.",
                where=before.folder(project),
                fix=f"phi3scaffold {before.name}",
                exit_code=FAILED_RUN,
            )
        found[f"stage:{before.name}"] = upstream.content
    return found


def fingerprint(stage: Stage, inputs: dict[str, str]) -> str:
    return digest([stage.name, inputs, versions(stage.packages)])


def is_fresh(stage: Stage, project: Project, stages: dict[str, Stage], cache: StatCache) -> bool:
    """Whether the published folder is what the stage would make now, every file unchanged."""
    folder = stage.folder(project)
    made = manifest.read(folder)
    upstream = stage.reads_from(project, stages)
    if made is None or any(manifest.read(before.folder(project)) is None for before in upstream):
        return False
    if made.fingerprint != fingerprint(stage, describe_inputs(stage, project, stages, cache)):
        return False
    return manifest.first_difference(folder, made, cache) is None


def _name(file: Path, project: Project) -> str:
    try:
        return file.relative_to(project.root).as_posix()
    except ValueError:
        return str(file)
