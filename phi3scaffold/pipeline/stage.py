"""The contract of a stage: what it reads, writes and takes, and what is reported of it."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from phi3scaffold import __version__
from phi3scaffold.pipeline import manifest
from phi3scaffold.pipeline.events import Emit
from phi3scaffold.pipeline.hashing import StatCache, digest
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError
from phi3scaffold.project.settings import Project

Facts = dict[str, Any]  # what a stage measured or wants known, as its manifest holds it
EARLIER = "*"  # among the stages that one reads from: all that stand before it in the graph


@dataclass(frozen=True)
class Inputs:
    """The files and settings that decide a stage's result, besides the stages before it."""

    files: tuple[Path, ...] = ()
    settings: Any = None


@dataclass(frozen=True)
class Context:
    """Where a stage works.

    Attributes:
        project: the project.
        out: an empty folder; what lies in it afterwards is published.
        scratch: an empty folder on the same disk; it goes when the stage ends.
        partial: a folder that outlives a killed run, for pieces that need not be made twice; the
            same inputs and versions find it again. It may not exist yet, and goes when the stage
            is published or the user has to mend something.
        log: takes what the stage's libraries say, where they are in other processes.
        emit: takes events (`phi3scaffold.pipeline.events`).
        reads: the stages it reads from, of those that this project has, in the graph's order.
    """

    project: Project
    out: Path
    scratch: Path
    partial: Path
    log: Path
    emit: Emit
    reads: Sequence[Stage] = ()

    def upstream(self, name: str) -> Path:
        """Return the folder of a stage it reads from. Raises KeyError for any other."""
        return {stage.name: stage.folder(self.project) for stage in self.reads}[name]


class Passes(NamedTuple):
    """Forward passes of the model: how many, with how many tokens and logits in all of them."""

    number: float = 0.0
    tokens: float = 0.0
    logits: float = 0.0


NO_PASSES = Passes()


@dataclass(frozen=True)
class Work:
    """What a stage has to do with the model, counted before it does it.

    How long that takes on a machine is for `phi3scaffold.search` to say.

    Attributes:
        trained: passes forward and backward.
        read: passes forward alone.
        rendered: tokens that are made of texts.
        starts: processes that load the libraries, and the model.
        download: bytes that come over the network.
        steps: of an optimizer.
        tokens: of the rows, each as often as it is read.
        seconds: what else it takes, on two cores of 2024.
        fixed: seconds that it takes on any machine.
        most_seconds: that `trained` and `read` may take; the stage then does less. 0: no limit.
        spread: by what share the time may be off, where the machine was measured.
    """

    trained: Passes = NO_PASSES
    read: Passes = NO_PASSES
    rendered: float = 0.0
    starts: float = 0.0
    download: int = 0
    steps: int = 0
    tokens: float = 0.0
    seconds: float = 0.0
    fixed: float = 0.0
    most_seconds: float = 0.0
    spread: float = 0.3


@dataclass(frozen=True)
class Resources:
    """What a stage takes: of a project, and of its base model's 16-bit weights, in bytes.

    Attributes:
        memory: bytes at most, on a CPU; 0 where that is little.
        disk: bytes at most, scratch and result; checked before it starts.
        seconds: about how long it takes on two cores of 2024; 0 where it counts steps, or is
            quick. Where `work` is counted, it comes on top.
        work: what it does with the model.
        lighter: the setting with which it takes at most so many bytes of memory; "" for none.
    """

    memory: Callable[[Project, int], int] = lambda project, weights: 0
    disk: Callable[[Project, int], int] = lambda project, weights: 0
    seconds: Callable[[Project, int], float] = lambda project, weights: 0.0
    work: Callable[[Project, int], Work] = lambda project, weights: Work()
    lighter: Callable[[Project, int, int], str] = lambda project, weights, most: ""


Curves = dict[str, list[tuple[int, float]]]  # name -> (step, value)


@dataclass(frozen=True)
class Tracking:
    """What of a stage is tracked with MLflow.

    Attributes:
        metrics: from the facts; its finite numbers are tracked, and with them the stage's time
            and memory. A name with a slash is whole; any other follows the stage's.
        curves: from the published folder.
        tags: from the facts and the published folder.
        files: names of files in the published folder that are stored.
        starts_run: whether a run of the pipeline in which it runs is worth a record.
    """

    metrics: Callable[[Facts], Mapping[str, Any]] = lambda facts: {}
    curves: Callable[[Path], Curves] = lambda folder: {}
    tags: Callable[[Facts, Path], dict[str, str]] = lambda facts, folder: {}
    files: tuple[str, ...] = ()
    starts_run: bool = False


@dataclass(frozen=True)
class Stage:
    """One stage of the pipeline, and all that is said about it.

    Attributes:
        name: in manifests, events and logs; the verb, where it has one.
        title: what the user reads while it runs.
        folder: the folder it publishes.
        inputs: the files and settings that decide its result.
        run: does the work; returns facts for the manifest.
        after: the stages it reads from; `EARLIER` for all before it.
        packages: distributions whose version decides the result.
        needs_torch: whether it runs in a child process, so that its memory comes back.
        needs_accelerator: whether it needs the GPU that the project's target may name.
        parallel: whether all ranks run it together, where there are several; needs_torch, too.
        resources: what it takes.
        on_request: whether only its own verb runs it, and no run of the whole pipeline.
        verb_ends_at: the stage that its verb runs to, where that is a later one.
        wanted: whether this project has it at all; left out silently where not, also as one that
            another stage reads from.
        check: raises ScaffoldError for what can be known to be wrong before any stage runs.
        judge: from the facts, the error that a published result may still be; it is raised when
            the stages behind have run, too, and again by every run that finds all up to date.
        summary: from the facts, what came of it in a few words; None where a summary leaves it out.
        details: from the project and the facts, the lines below the table of a run's summary.
        tracking: what is tracked of it; None where there is nothing to compare.
        is_timed: whether its files hold times, or hashes over them, so that no two runs' are equal.
        from_cloud: when what a job made is fetched; never, where the sender has it or can
            download it.
    """

    name: str
    title: str
    folder: Callable[[Project], Path]
    inputs: Callable[[Project], Inputs]
    run: Callable[[Context], Facts]
    after: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    needs_torch: bool = False
    needs_accelerator: bool = True
    parallel: bool = False
    resources: Resources = Resources()
    on_request: bool = False
    verb_ends_at: str = ""
    wanted: Callable[[Project], bool] = lambda project: True
    check: Callable[[Project], None] = lambda project: None
    judge: Callable[[Facts], ScaffoldError | None] | None = None
    summary: Callable[[Facts], str | None] = lambda facts: ""
    details: Callable[[Project, Facts], Sequence[str]] = lambda project, facts: ()
    tracking: Tracking | None = None
    is_timed: bool = False
    from_cloud: Literal["always", "on_request", "never"] = "always"

    def reads_from(self, project: Project, stages: Stages) -> list[Stage]:
        """Return the stages it reads from, of those that this project has."""
        return [stages[name] for name in self.after_in(stages) if stages[name].wanted(project)]

    def after_in(self, stages: Stages) -> tuple[str, ...]:
        """Return the names of the stages it reads from in this graph."""
        if self.after != (EARLIER,):
            return self.after
        names = list(stages)
        earlier = names[: names.index(self.name)]
        return tuple(name for name in earlier if not stages[name].on_request)


Stages = Mapping[str, Stage]  # a graph: by name, each behind the stages it reads from


def versions(packages: tuple[str, ...]) -> dict[str, str | None]:
    """Return package -> installed version, None where it is missing; ours always among them."""
    installed: dict[str, str | None] = {"phi3scaffold": __version__}
    for package in packages:
        try:
            installed[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            installed[package] = None
    return installed


def describe_inputs(
    stage: Stage, project: Project, stages: Stages, cache: StatCache
) -> dict[str, str]:
    """Return name -> sha256 of every file, setting and upstream folder that decides the stage.

    Raises:
        ScaffoldError: an input is missing, or an upstream folder is not there.
    """
    inputs = stage.inputs(project)
    hashes: dict[str, str] = {"settings": digest(inputs.settings)}
    for file in inputs.files:
        try:
            hashes[_name(file, project)] = cache.sha256(file)
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
        hashes[f"stage:{before.name}"] = upstream.content
    return hashes


def fingerprint(stage: Stage, inputs: dict[str, str]) -> str:
    """Return a hash over everything that decides a result."""
    return digest([stage.name, inputs, versions(stage.packages)])


def is_fresh(stage: Stage, project: Project, stages: Stages, cache: StatCache) -> bool:
    """Tell whether the published folder is what the stage would write now, all files unchanged."""
    folder = stage.folder(project)
    record = manifest.read(folder)
    upstream = stage.reads_from(project, stages)
    if record is None or any(manifest.read(before.folder(project)) is None for before in upstream):
        return False
    if record.fingerprint != fingerprint(stage, describe_inputs(stage, project, stages, cache)):
        return False
    return manifest.first_difference(folder, record, cache) is None


def _name(file: Path, project: Project) -> str:
    try:
        return file.relative_to(project.root).as_posix()
    except ValueError:
        return str(file)
