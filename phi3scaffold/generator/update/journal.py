"""The guarded step: everything that undoing needs lies in git's folder before a file is touched.

`<git's folder>/phi3scaffold-update*/` holds the files as they were, the new ones beside them, and
a list with the hashes of both. Applying and undoing are renames, so neither needs room on the
disk, and either can be killed at any moment: what was not done yet is seen by its hash. It stays
until the update is committed.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from phi3scaffold.generator import git
from phi3scaffold.generator.update.merge import FileUpdate
from phi3scaffold.generator.update.trees import TreeEntry, blocked, read, write
from phi3scaffold.pipeline.atomic_folder import signals_raise, signals_wait
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.files import to_disk, tree_to_disk, whole_file, write_json

LIST = "list.json"
KEPT = "phi3scaffold-kept"


class Journal:
    """What the last update of one project did, or is doing.

    Attributes:
        root: the project's folder.
        folder: where the journal lies; it exists from before the first file is touched.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        found = git.output(root, "rev-parse", "--absolute-git-dir", "--show-prefix")
        git_dir, prefix = os.fsdecode(found).split("\n")[:2]
        self._prefix, self._git_dir = prefix, Path(git_dir)
        digest = hashlib.sha256(prefix.encode(errors="surrogateescape")).hexdigest()[:12]
        name = f"phi3scaffold-update-{digest}" if prefix else "phi3scaffold-update"
        self.folder = self._git_dir / name

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock: one update at a time. Raises ScaffoldError: another one is at work."""
        from filelock import FileLock, Timeout

        try:
            with FileLock(f"{self.folder}.lock", timeout=0):
                yield
        except Timeout:
            raise ScaffoldError(
                "Another `phi3scaffold update` is running in this project.",
                where=self.root,
                fix="wait for it",
            ) from None

    @property
    def exists(self) -> bool:
        return (self.folder / LIST).is_file()

    def content(self) -> dict[str, Any]:
        """Read the list. Raises ScaffoldError: it is damaged."""
        try:
            found: dict[str, Any] = json.loads((self.folder / LIST).read_text(encoding="utf-8"))
            if not isinstance(found["files"], list):
                raise ValueError("it is no list of files")
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ScaffoldError(
                f"The record of the last update cannot be read: {error}",
                where=self.folder / LIST,
                fix="the files are as git shows them; when they are right, remove that folder",
            ) from error
        return found

    def discard(self) -> None:
        """Forget the update: it has been committed, or undone."""
        # First the list, so that a journal is whole or none.
        (self.folder / LIST).unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def apply(self, changes: Iterable[FileUpdate], about: dict[str, str]) -> None:
        """Do `changes`, or none of them.

        Raises:
            OSError: the disk is full, say; everything is as before.
        """
        changes = [change for change in changes if change.fate != "kept"]
        part = self.folder.with_name(f"{self.folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        with signals_raise():
            try:
                self._write(part, changes, about)
                part.rename(self.folder)
                to_disk(self._git_dir)
            except BaseException:
                with signals_wait():
                    shutil.rmtree(part, ignore_errors=True)
                raise
            try:
                for number, item in enumerate(self.content()["files"]):
                    self._put(item["path"], self.folder / "new" / str(number), item["after"])
                self._stage(changes)
                self._finish()
            except BaseException:
                with signals_wait():
                    self.undo()
                raise

    def _write(self, part: Path, changes: list[FileUpdate], about: dict[str, str]) -> None:
        after: dict[str, TreeEntry | None] = {}
        for change in changes:
            if change.source and change.source != change.path:
                after.setdefault(change.source, None)
            after[change.path] = change.after
        files = []
        for number, (path, entry) in enumerate(sorted(after.items())):
            before = read(self.root, path)
            for side, one in (("old", before), ("new", entry)):
                if one is not None:
                    write(part, f"{side}/{number}", one)
            if before is not None and before.kind != "link":
                permissions = (self.root / path).stat().st_mode & 0o7777
                (part / "old" / str(number)).chmod(permissions)
                if entry is not None and entry.kind != "link":
                    (part / "new" / str(number)).chmod(_permissions(permissions, entry))
            files.append({"path": path, "before": _print(before), "after": _print(entry)})
        content = {"about": about, "done": False, "files": files}
        part.mkdir(parents=True, exist_ok=True)
        write_json(part / LIST, content | {"index": self._entries(list(after))})
        tree_to_disk(part)

    def _finish(self) -> None:
        write_json(self.folder / LIST, self.content() | {"done": True})

    def _put(self, path: str, source: Path, entry: str | None) -> None:
        """Make `path` what `source` is, or nothing."""
        target = self.root / path
        if entry is None:
            with suppress(FileNotFoundError):
                target.unlink()
            for folder in list(target.relative_to(self.root).parents)[:-1]:
                with suppress(OSError):  # not empty
                    (self.root / folder).rmdir()
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            source.replace(target)
        except OSError as error:
            if error.errno != errno.EXDEV:  # git's folder is on another disk
                raise
            with whole_file(target) as beside:
                shutil.copy2(source, beside, follow_symlinks=False)

    def undo(self) -> Path | None:
        """Put everything back; return the folder of files changed since the update, or None."""
        content = self.content()
        later: Path | None = None
        # What is new goes first: an added file may stand where a folder was.
        items = sorted(enumerate(content["files"]), key=lambda pair: pair[1]["before"] is not None)
        for number, item in items:
            path = item["path"]
            now = read(self.root, path)
            if _print(now) == item["before"]:
                continue
            if now is not None and _print(now) != item["after"]:
                later = later or self._new_kept()
                write(later, path, now)
            old = self.folder / "old" / str(number)
            if not blocked(self.root, path):
                self._put(path, old, item["before"])
            elif item["before"]:  # somebody has put a folder there since
                later = later or self._new_kept()
                (later / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.move(old, later / path)
        lines = []
        for item in content["files"]:
            lines.append((item["path"], "remove"))
            lines += [(item["path"], entry) for entry in content["index"].get(item["path"], [])]
        self._index_info(lines)
        git.run(self.root, "update-index", "-q", "--refresh")
        self.discard()
        return later

    def _new_kept(self) -> Path:
        number = 1
        while (folder := self._git_dir / KEPT / str(number)).exists():
            number += 1
        return folder

    # ------------------------------------------------------------ git's index

    def _entries(self, paths: list[str]) -> dict[str, list[str]]:
        """Path -> its lines of the index: mode, hash, stage."""
        if not paths:
            return {}
        found: dict[str, list[str]] = {}
        listed = git.output(self.root, "ls-files", "--stage", "-z", "--", *paths)
        for line in listed.split(b"\0")[:-1]:
            entry, _, path = line.partition(b"\t")
            if os.fsdecode(path) in paths:
                found.setdefault(os.fsdecode(path), []).append(entry.decode())
        return found

    def _stage(self, changes: list[FileUpdate]) -> None:
        """Stage a path as a merge leaves it: a clean file once, a conflict in its three stages."""
        entries = self.content()["index"]
        plain: list[str] = []
        stages: list[tuple[str, str]] = []
        for change in changes:
            tracked = change.path in entries or change.source in entries
            if change.source and change.source != change.path and change.source in entries:
                plain.append(change.source)
            if change.fate != "conflict":
                if tracked or not git.ignores(self.root, change.path, untracked=True):
                    plain.append(change.path)
            elif tracked:
                stages.append((change.path, "remove"))
                for number, side in enumerate(change.sides or (), 1):
                    if side is not None:
                        filters = "--no-filters" if side.kind == "link" else f"--path={change.path}"
                        words = ["hash-object", "-w", filters, "--stdin"]
                        known = git.output(self.root, *words, stdin=side.data).decode().strip()
                        stages.append((change.path, f"{side.mode} {known} {number}"))
        listed = b"".join(os.fsencode(path) + b"\0" for path in plain)
        add = ["update-index", "--add", "--remove", "--replace", "-z", "--stdin"]
        git.output(self.root, *add, stdin=listed)
        self._index_info(stages)

    def _index_info(self, lines: list[tuple[str, str]]) -> None:
        if not lines:
            return
        nothing = "0" * len(git.output(self.root, "rev-parse", "HEAD").strip())
        text = "".join(
            f"{f'0 {nothing}' if entry == 'remove' else entry}\t{self._prefix}{path}\0"
            for path, entry in lines
        )
        git.output(self.root, "update-index", "-z", "--index-info", stdin=os.fsencode(text))


def _print(entry: TreeEntry | None) -> str | None:
    """Return a fingerprint that tells whether a file is the one that is meant."""
    if entry is None:
        return None
    return f"{entry.kind} {hashlib.sha256(entry.data).hexdigest()}"


def _permissions(before: int, entry: TreeEntry) -> int:
    """Return the permissions of the file before, with execute bits that follow the read bits."""
    if entry.kind == "program":
        return before | (before & 0o444) >> 2
    return before & ~0o111
