"""The targets that there are, by name; a new one is a row here."""

from __future__ import annotations

from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.layout import PROJECT_FILE
from phi3scaffold.project.settings import Project
from phi3scaffold.stages.graph import STAGES
from phi3scaffold.targets.azureml.target import AML, ARC
from phi3scaffold.targets.base import RemoteTarget, Target
from phi3scaffold.targets.local.target import Cpu, Cuda, DirectMl

TARGETS: dict[str, Target] = {
    target.name: target for target in (Cpu(), Cuda(), DirectMl(), AML, ARC)
}


def find_target(name: object, where: str) -> Target:
    """Return the target of that name. Raises ScaffoldError at `where`: there is none."""
    if isinstance(name, str) and name in TARGETS:
        return TARGETS[name]
    raise ScaffoldError(
        f"Unknown target {name!r}.", where=where, fix=f"one of: {', '.join(TARGETS)}"
    )


def target_of(project: Project) -> Target:
    """Return the target of a project. Raises ScaffoldError: project.yaml names an unknown one."""
    return find_target(project.target, f"{project.root / PROJECT_FILE}: target")


def check_target(project: Project, verb: str) -> None:
    """Refuse, before anything is loaded, what the project's target cannot do on this machine."""
    target = target_of(project)
    stage = STAGES.get(verb)
    if not project.local and (stage is None or stage.needs_accelerator):
        target.check(project, verb)


def runs_remotely(project: Project, verb: str = "run") -> bool:
    """Return whether the verb means a job on another machine."""
    return target_of(project).remote and verb == "run" and not project.local


def remote_target(project: Project, verb: str) -> RemoteTarget:
    """Return the project's target. Raises ScaffoldError where it runs no jobs."""
    target = target_of(project)
    if isinstance(target, RemoteTarget):
        return target
    raise ScaffoldError(
        f"`{verb}` is for jobs in the cloud; this project runs here, on {target.name}.",
        where=f"{project.root / PROJECT_FILE}: target",
        fix=f"phi3scaffold run; or make a project with --target {' or '.join(remote_names())}",
    )


def remote_names() -> list[str]:
    """Return the names of the targets that run the pipeline as a job elsewhere."""
    return [target.name for target in TARGETS.values() if target.remote]
