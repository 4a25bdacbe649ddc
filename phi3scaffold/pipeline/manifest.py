"""manifest.json in every published folder: what made it, and what it holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from phi3scaffold.pipeline.hashing import StatCache, digest
from phi3scaffold.project.files import try_json

NAME = "manifest.json"


@dataclass(frozen=True)
class FileEntry:
    """One file of a folder.

    Attributes:
        sha256: of its content, 64 hex digits.
        bytes: its size.
    """

    sha256: str
    bytes: int


@dataclass(frozen=True)
class Manifest:
    """What made a folder and what it holds.

    Attributes:
        stage: the stage that made it.
        fingerprint: sha256 over everything that decides the result.
        inputs: name -> sha256 of the files and upstream folders it was made from.
        versions: package -> version it was made with.
        files: path within the folder -> entry; every file but the manifest.
        facts: what the stage measured or wants known (loss, rows, ...).
        seconds: how long the stage ran.
        peak_bytes: peak resident memory of the process that made it; 0 where it is unknown.
    """

    stage: str
    fingerprint: str
    inputs: dict[str, str]
    versions: dict[str, str | None]
    files: dict[str, FileEntry]
    facts: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    peak_bytes: int = 0

    @property
    def content(self) -> str:
        """Return a sha256 over the files' hashes: equal for equal content, however it was made."""
        return digest({name: entry.sha256 for name, entry in self.files.items()})

    @property
    def total_bytes(self) -> int:
        return sum(entry.bytes for entry in self.files.values())

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Manifest:
        """Return the manifest of a JSON object.

        Raises:
            ValueError, TypeError, KeyError, AttributeError: it is none, or names a file outside
                its folder.
        """
        files = {name: FileEntry(**entry) for name, entry in values["files"].items()}
        for name, entry in files.items():
            path = PurePosixPath(name)
            inside = not path.is_absolute() and ".." not in path.parts and "\\" not in name
            if not inside or not isinstance(entry.sha256, str) or entry.bytes < 0:
                raise ValueError(name)
        return cls(**{**values, "files": files})


def read(folder: Path) -> Manifest | None:
    """Return the folder's manifest; None where there is none that can be read."""
    try:
        return Manifest.from_json(try_json(folder / NAME))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def write(folder: Path, manifest: Manifest) -> None:
    text = json.dumps(asdict(manifest), indent=1, sort_keys=True)
    (folder / NAME).write_text(text + "\n", encoding="utf-8")


def list_files(folder: Path, cache: StatCache) -> dict[str, FileEntry]:
    """Return every file below `folder` but the manifest, with hash and size."""
    return {
        path.relative_to(folder).as_posix(): FileEntry(cache.sha256(path), path.stat().st_size)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != NAME
    }


def first_difference(folder: Path, manifest: Manifest, cache: StatCache) -> str | None:
    """Return the first file that is missing or not as the manifest says; None if all are."""
    for name, entry in manifest.files.items():
        path = folder / name
        try:
            if path.stat().st_size != entry.bytes or cache.sha256(path) != entry.sha256:
                return name
        except OSError:
            return name
    return None
