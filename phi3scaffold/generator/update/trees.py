"""Files as values: what a project has at a path, and what a version of the template puts there."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from phi3scaffold.generator import template
from phi3scaffold.generator.render import render
from phi3scaffold.generator.requirements import release_of_wheel
from phi3scaffold.generator.setup_files import write_environments
from phi3scaffold.generator.wheel import RECORD, put_record, record_wheel, write_wheel
from phi3scaffold.models.catalogue import family_at
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.files import read_yaml
from phi3scaffold.project.settings import TINY

BASE = "model-cache/base"
WHEELS = "setup/phi3scaffold-*.whl"


@dataclass(frozen=True)
class TreeEntry:
    """What lies at one path.

    Attributes:
        data: a file's content, or where a link points.
        kind: an executable file is a "program".
    """

    data: bytes
    kind: Literal["file", "program", "link"] = "file"

    @property
    def mode(self) -> str:
        """As git writes it."""
        return {"file": "100644", "program": "100755", "link": "120000"}[self.kind]

    @property
    def is_text(self) -> bool:
        return self.kind != "link" and b"\0" not in self.data

    @property
    def is_crlf(self) -> bool:
        """Every line ends as on Windows."""
        return 0 < self.data.count(b"\n") == self.data.count(b"\r\n")

    def as_crlf(self) -> TreeEntry:
        """Return the same text with the line ends of Windows."""
        if not self.is_text or b"\r\n" in self.data:
            return self
        return replace(self, data=self.data.replace(b"\n", b"\r\n"))


Tree = dict[str, TreeEntry]  # path relative to the project, with / -> what lies there


def read(root: Path, path: str) -> TreeEntry | None:
    """Return what lies at `path`; None for nothing, a folder, or a file behind a linked folder."""
    target = root / path
    if blocked(root, path):
        return None
    try:
        mode = target.lstat().st_mode
        if stat.S_ISLNK(mode):
            return TreeEntry(os.fsencode(target.readlink()), "link")
        if stat.S_ISREG(mode):
            return TreeEntry(target.read_bytes(), "program" if mode & stat.S_IXUSR else "file")
    except FileNotFoundError:
        pass
    return None


def blocked(root: Path, path: str) -> bool:
    """Return whether a folder is at `path`, or one of its folders is a file or a link."""
    target = root / path
    if target.is_dir() and not target.is_symlink():
        return True
    for folder in list(target.relative_to(root).parents)[:-1]:
        place = root / folder
        if os.path.lexists(place) and (place.is_symlink() or not place.is_dir()):
            return True
    return False


def read_all(root: Path, paths: Iterable[str]) -> Tree:
    """Return what lies at those `paths` where something does."""
    found = ((path, read(root, path)) for path in paths)
    return {path: entry for path, entry in found if entry is not None}


def read_folder(folder: Path) -> Tree:
    """Return all files below `folder`."""
    paths = (path for path in folder.rglob("*") if path.is_symlink() or path.is_file())
    return read_all(folder, sorted(path.relative_to(folder).as_posix() for path in paths))


def write(folder: Path, path: str, entry: TreeEntry) -> None:
    """Put `entry` at `path` below `folder`, where nothing is yet."""
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    if entry.kind == "link":
        target.symlink_to(os.fsdecode(entry.data))
        return
    target.write_bytes(entry.data)
    if entry.kind == "program":
        mode = target.stat().st_mode
        target.chmod(mode | (mode & 0o444) >> 2)


def wheels(root: Path) -> list[Path]:
    """Return the runtime's wheels in setup/, in the order of their names."""
    return sorted(root.glob(WHEELS))


def as_made(root: Path, answers: dict[str, Any], tag: str) -> Tree:
    """Return the project as it was generated or last updated: the base of the merge.

    The template at `tag`, and the packages that its own wheel names. Without that wheel nobody
    knows what setup/ asked for, so those files have no base.
    """
    with _rendered(root, answers, tag, answers["model"]) as folder:
        found = wheels(root)
        with suppress(ScaffoldError, IndexError):
            release = release_of_wheel(found[-1])
            tiny = answers["model"] == TINY
            write_environments(folder / "setup", answers["target"], tiny=tiny, release=release)
        tree = read_folder(folder)
    recorded = read_yaml(root / template.ANSWERS).get(RECORD)
    if isinstance(recorded, str):  # as it is there, so that the new one takes its place
        lines = tree[template.ANSWERS].data.decode("utf-8").splitlines(keepends=True)
        put_record(lines, recorded)
        tree[template.ANSWERS] = TreeEntry("".join(lines).encode())
    return tree | read_all(root, (path.relative_to(root).as_posix() for path in found))


def as_now(root: Path, answers: dict[str, Any], model: str) -> Tree:
    """Return what `new` would generate from `answers` today, without rows and weights.

    Args:
        model: that the project has had until now.
    """
    tiny = answers["model"] == TINY
    with _rendered(root, answers, f"v{template.version()}", model) as folder:
        write_environments(folder / "setup", answers["target"], tiny=tiny)
        write_wheel(folder / "setup", weights=tiny)
        record_wheel(folder)
        return read_folder(folder)


@contextmanager
def _rendered(root: Path, answers: dict[str, Any], tag: str, model: str) -> Iterator[Path]:
    """Render into a folder; where the model is the project's own, its files tell the family."""
    family = family_at(root / BASE) if answers["model"] == model else None
    with tempfile.TemporaryDirectory(prefix="phi3scaffold-") as scratch:
        render(Path(scratch), answers, tag, family=family)
        yield Path(scratch)
