"""Which packages are installed where, and which ones are asked for. Nothing is imported for it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path

from phi3scaffold.project.settings import Project

PIN = re.compile(r"([A-Za-z0-9._-]+)==([^;\s]+)")
# environment -> the file in setup/ that says what goes into it
FOLDERS = {".venv": "requirements.txt", ".venv-infer": "requirements-infer.txt"}


@dataclass(frozen=True)
class Environment:
    """One Python with its packages.

    Attributes:
        name: for people: ``.venv``, or ``this Python``.
        folder: its prefix.
        sites: where its packages lie; None for the running Python's own path.
        requirements: the project's file that says what has to be there, or None.
    """

    name: str
    folder: Path
    sites: tuple[str, ...] | None
    requirements: Path | None

    @property
    def python(self) -> Path:
        if self.sites is None:
            return Path(sys.executable)
        windows = self.folder / "Scripts" / "python.exe"
        return windows if windows.parent.is_dir() else self.folder / "bin" / "python"

    @property
    def version(self) -> str | None:
        """The version of its Python, as pyvenv.cfg says."""
        if self.sites is None:
            return ".".join(map(str, sys.version_info[:3]))
        try:
            text = (self.folder / "pyvenv.cfg").read_text(encoding="utf-8")
        except OSError:
            return None
        match = re.search(r"^version(?:_info)?\s*=\s*(\d+\.\d+(?:\.\d+)?)", text, re.MULTILINE)
        return match[1] if match else None

    @cached_property
    def recorded(self) -> dict[str, list[str]]:
        """Normalized name -> every version that is recorded, the one that is imported first."""
        found: dict[str, list[str]] = {}
        for one in _distributions(self.sites):
            if one.name and one.version:
                versions = found.setdefault(normal(one.name), [])
                if one.version not in versions:
                    versions.append(one.version)
        return found

    def installed(self, name: str) -> str | None:
        """Return the version of a package, or None."""
        versions = self.recorded.get(normal(name))
        return versions[0] if versions else None

    def requires(self, name: str) -> list[str]:
        """Return what an installed package requires; empty where it is not there."""
        for one in _distributions(self.sites):
            if one.name and normal(one.name) == normal(name):
                return list(one.requires or [])
        return []

    @cached_property
    def pins(self) -> dict[str, str]:
        """What has to be here: name -> version; empty where no file says so."""
        if self.requirements is None or not self.requirements.is_file():
            return {}
        return read_pins(self.requirements.read_text(encoding="utf-8").splitlines())


def environments_of(project: Project | None) -> tuple[Environment, ...]:
    """Return the project's environments that are there, else the running Python's."""
    setup = project.root / "setup" if project else None
    found = []
    for name, file in FOLDERS.items():
        if project and (project.root / name / "pyvenv.cfg").is_file():
            folder = project.root / name
            own = folder.resolve() == Path(sys.prefix).resolve()
            sites = None if own else _sites(folder)
            found.append(Environment(name, folder, sites, project.root / "setup" / file))
    if not any(one.name == ".venv" for one in found):
        wanted = setup / FOLDERS[".venv"] if setup else None
        found.insert(0, Environment("this Python", Path(sys.prefix), None, wanted))
    return tuple(found)


def read_pins(lines: Iterable[str]) -> dict[str, str]:
    """Return normalized name -> version of every line that is an exact pin."""
    matches = (PIN.match(line.strip()) for line in lines)
    return {normal(match[1]): match[2] for match in matches if match}


def normal(name: str) -> str:
    """Return a package's name as indexes compare it: ``Olive_AI`` -> ``olive-ai``."""
    return re.sub(r"[-_.]+", "-", name).lower()


def same(installed: str, pinned: str) -> bool:
    """Tell whether an installed version is the pinned one; ``2.13.0+cpu`` is 2.13.0."""
    return installed == pinned or installed.partition("+")[0] == pinned


def _sites(folder: Path) -> tuple[str, ...]:
    found = [*folder.glob("lib/python*/site-packages"), *folder.glob("Lib/site-packages")]
    return tuple(dict.fromkeys(str(one.resolve()) for one in found))


def _distributions(sites: tuple[str, ...] | None) -> Iterable[metadata.Distribution]:
    return metadata.distributions() if sites is None else metadata.distributions(path=list(sites))
