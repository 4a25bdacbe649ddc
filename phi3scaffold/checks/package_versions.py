"""The pinned packages beside what is installed, for `info` and bug reports."""

from __future__ import annotations

import sys
from pathlib import Path

from phi3scaffold.checks.doctor.packages import known_pins
from phi3scaffold.pipeline.installed_packages import FOLDERS, Environment
from phi3scaffold.project.settings import Project


def package_versions(project: Project | None) -> dict[str, dict[str, str | None]]:
    """Return name -> expected and installed version, of this Python's packages.

    Expected are the pins in the project's setup/, or, where there are none, our own.
    """
    requirements = None if project is None else project.root / "setup" / FOLDERS[".venv"]
    here = Environment("this Python", Path(sys.prefix), None, requirements)
    pins = here.pins or known_pins(here)
    return {
        name: {"expected": pins[name], "installed": here.installed(name)} for name in sorted(pins)
    }
