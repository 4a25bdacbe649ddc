"""The contract of a target: where a project's pipeline runs, and what that asks of the project."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from phi3scaffold.pipeline.events import Emit
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.providers import CPU, CUDA
from phi3scaffold.project.settings import Project


class FileProblem(NamedTuple):
    """Something wrong with a file of a target: its key (dotted), what, and what to do."""

    key: str
    what: str
    fix: str


class Target:
    """Where the pipeline of a project runs; this base class describes the machine at hand.

    A target is an object of a subclass in `registry.TARGETS`. It is stateless.

    Attributes:
        name: as project.yaml and `--target` say it.
        providers: ONNX Runtime's execution providers that the model may be built for; the first
            is the default.
        uses_gpu: whether training uses a GPU.
        inference_venv: the environment that answers, in the project; often the one that trains.
        notice: what `phi3scaffold new` says about it, in sentences.
        doctor: the package with the doctor's checks that only projects of this target need.
        extra: the extra of this package that its projects install, and a package that only this
            extra brings; or None.
        files: what its projects have and others do not, relative to the project.
        ignored: name of an ignore file -> pattern that it must hold -> a file that this is about.
        section: the key of project.yaml that only this target reads, and the keys below it.
    """

    name: str
    providers: tuple[str, ...] = (CPU,)
    uses_gpu = False
    remote = False
    inference_venv = ".venv"
    notice: tuple[str, ...] = ()
    doctor: str | None = None
    extra: tuple[str, str] | None = None
    files: tuple[str, ...] = ()
    ignored: Mapping[str, Mapping[str, str]] = {}
    section: tuple[str, tuple[str, ...]] | None = None

    def check(self, project: Project, verb: str) -> None:
        """Refuse, before anything is loaded, a stage that cannot run here, by ScaffoldError."""

    def problems(self, project: Project) -> Iterator[ScaffoldError]:
        """Yield what a project asks for and this target never can."""
        yield from ()

    def environments(self, project: Project) -> dict[str, str]:
        """Return file of packages -> the execution provider whose ONNX Runtime it must name."""
        return {"setup/requirements.txt": CUDA if self.uses_gpu else CPU}

    def check_file(
        self, name: str, content: dict[str, Any], project: Project
    ) -> Iterator[FileProblem]:
        """Yield everything that is wrong with one of `files`."""
        yield from ()

    def check_section(self, content: Any, path: Path) -> None:
        """Refuse what this target's section of project.yaml, at `path`, cannot hold."""

    def login(self) -> Any:
        """Return the login that the target's checks of doctor share."""


class JobStatus(NamedTuple):
    """How a job is: its state in the target's own words ("" for a job that is gone), its page."""

    name: str
    state: str
    page: str


class RemoteTarget(Target, ABC):
    """A target that runs the whole pipeline as one job on another machine.

    Every method may raise ScaffoldError: the service refuses, does not answer, or nobody is
    logged in. Where a project has no job, those about its job say so.
    """

    remote = True

    def check(self, project: Project, verb: str) -> None:
        """Refuse single stages: the pipeline runs as a whole."""
        raise ScaffoldError(
            f"This project runs as a whole in the cloud ({self.name}), not stage by stage.",
            where=f"{project.root / 'project.yaml'}: target",
            fix="all of it there: phi3scaffold job submit; or here, on the CPU: "
            f"phi3scaffold {verb} --local",
        )

    def tflops(self, project: Project) -> float:
        """Return what the job's machine multiplies in 16 bits, in 10^12 operations a second.

        0 for a machine without a GPU. Of the machine that a new project's files name.
        """
        return 0.0

    @abstractmethod
    def dry_run(self, project: Project) -> dict[str, Any]:
        """Return the request that `submit` would send; nothing is sent, and no login is needed.

        What is not known yet is a placeholder; `missing` has it -> how to fill it.
        """

    @abstractmethod
    def submit(self, project: Project, emit: Emit, *, again: bool = False) -> str:
        """Submit the project as it is, or attach to its job that runs or has completed.

        With `again`, submit a new one in any case. Return the job's name.
        """

    @abstractmethod
    def complete(self, project: Project, emit: Emit) -> None:
        """Follow the job to its end, fetch its results. Raises ScaffoldError where it failed."""

    @abstractmethod
    def status(self, project: Project) -> JobStatus:
        """Return how the project's job is."""

    @abstractmethod
    def log(self, project: Project) -> Iterator[str]:
        """Yield the lines that the project's job has written so far."""

    @abstractmethod
    def follow(self, project: Project, emit: Emit) -> None:
        """Emit the events of the project's job to its end. Raises ScaffoldError where it failed."""

    @abstractmethod
    def cancel(self, project: Project) -> str:
        """Stop the project's job; return its name."""

    @abstractmethod
    def forms(self, project: Project, names: Sequence[str]) -> tuple[str, ...]:
        """Return the forms to fetch: `names`, or those that the project's settings name."""

    @abstractmethod
    def fetch(self, project: Project, forms: Sequence[str], emit: Emit) -> list[str]:
        """Fetch `forms` and the reports; return the forms that the job has not made (yet)."""

    @abstractmethod
    def run(self, project: Project, rows: Path | None, model: Path | None, results: Path) -> None:
        """Run the pipeline inside the job, and copy every finished form to `results`.

        Args:
            rows: the rows that the job got as an input, or None for those of the project.
            model: the base model that it got, or None for that of project.yaml.
        """
