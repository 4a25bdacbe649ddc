"""What a check of doctor looks at: the machine, and the project, if there is one."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from phi3scaffold.models import catalogue
from phi3scaffold.pipeline.installed_packages import Environment, environments_of
from phi3scaffold.pipeline.machine import Gpu, gpus
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.layout import PROJECT_FILE
from phi3scaffold.project.settings import Project, find_project
from phi3scaffold.targets.base import Target
from phi3scaffold.targets.registry import find_target, target_of


@dataclass(frozen=True)
class DoctorContext:
    """The context of every check of doctor.

    Attributes:
        folder: the project's root; outside of a project the current folder.
        project: the project, or None.
        broken: why there is none although there is a project.yaml, or None.
        target: the project's, the one that was asked for, or None outside of a project.
        model: the project's base model, the one that was asked for, or the default one.
        offline: whether the network is left alone.
    """

    folder: Path
    project: Project | None
    broken: ScaffoldError | None
    target: Target | None
    model: str
    offline: bool = False

    @property
    def remote(self) -> bool:
        """Whether the pipeline runs in the cloud."""
        return self.target is not None and self.target.remote

    @property
    def trains_on_gpu(self) -> bool:
        """Whether a GPU of this machine trains."""
        return self.target is not None and self.target.uses_gpu and not self.remote

    @property
    def setup(self) -> str:
        """The command that installs what the project needs."""
        if sys.platform == "win32":
            return r"powershell -ExecutionPolicy Bypass -File setup\setup.ps1"
        return "make setup" if shutil.which("make") else "sh setup/setup.sh"

    @cached_property
    def environments(self) -> tuple[Environment, ...]:
        """Where packages are installed that this project, or this command, uses."""
        return environments_of(self.project)

    @cached_property
    def gpus(self) -> tuple[Gpu, ...]:
        """The NVIDIA GPUs of this machine."""
        return gpus()

    @cached_property
    def login(self) -> Any:
        """The login that the checks of the target share."""
        return self.target.login() if self.target is not None else None


def open_context(
    target: str | None = None,
    model: str | None = None,
    *,
    offline: bool = False,
    start: Path | None = None,
) -> DoctorContext:
    """Look at a folder, by default the current one, and its project, if there is one.

    `target` and `model` replace the project's own. Raises ScaffoldError for an unknown name.
    """
    chosen = None if target is None else find_target(target, "--target")
    if model is not None:
        catalogue.describe(model)
    project, broken, here = None, None, (start or Path.cwd()).resolve()
    root = next((one for one in (here, *here.parents) if (one / PROJECT_FILE).is_file()), None)
    if root is not None:
        try:
            found = find_project(root)
            own = target_of(found)
            project, chosen = found, chosen or own
        except ScaffoldError as error:
            broken = error
    return DoctorContext(
        folder=root or here,
        project=project,
        broken=broken,
        target=chosen,
        model=model or (project.model_id if project else catalogue.DEFAULT),
        offline=offline,
    )
