"""manifest.json in every published folder: what made it, and what it holds."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from phi3scaffold.pipeline.hashing import StatCache, digest

NAME = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """What made a folder and what it holds.

    Attributes:
        stage: the stage that made it.
        fingerprint: sha256 over everything that decides the result.
        inputs: name -> sha256 of the files and upstream folders it was made from.
        versions: package -> version it was made with.
        files: path within the folder -> ``{"sha256", "bytes"}``.
        facts: what the stage measured or wants known (loss, rows, ...).
        seconds: how long it took.
        peak_bytes: peak resident memory of the process that made it.
    """

    stage: str
    fingerprint: str
    inputs: dict[str, str]
    versions: dict[str, str | None]
    files: dict[str, dict[str, Any]]
    facts: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    peak_bytes: int = 0

    @property
    def content(self) -> str:
        """Return a sha256 over the files' hashes: equal for equal content, however it was made."""
        return digest({name: entry["sha256"] for name, entry in self.files.items()})


def read(folder: Path) -> Manifest | None:
    """Return the folder's manifest; None where there is none that can be read."""
    try:
        return Manifest(**json.loads((folder / NAME).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def write(folder: Path, manifest: Manifest) -> None:
    """Write the folder's manifest."""
    text = json.dumps(asdict(manifest), indent=1, sort_keys=True)
    (folder / NAME).write_text(text + "\n", encoding="utf-8")


def list_files(folder: Path, cache: StatCache) -> dict[str, dict[str, Any]]:
    """Return every file below `folder` but the manifest, with hash and size."""
    return {
        path.relative_to(folder).as_posix(): {
            "sha256": cache.sha256(path),
            "bytes": path.stat().st_size,
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != NAME
    }


def first_difference(folder: Path, manifest: Manifest, cache: StatCache) -> str | None:
    """Return the first file that is missing or not as the manifest says; None if all are."""
    for name, entry in manifest.files.items():
        path = folder / name
        try:
            if path.stat().st_size != entry["bytes"] or cache.sha256(path) != entry["sha256"]:
                return name
        except OSError:
            return name
    return None
