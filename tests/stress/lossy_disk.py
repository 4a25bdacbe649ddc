"""A disk that loses at a power cut what was not flushed, as a layer over the functions of `os`.

What is modelled: the content of a file counts from its last fsync; a name in a folder from that
folder's last fsync; renames and removals are kept in order, up to any one of those since the last
fsync of a folder, which is what journaling file systems promise.
"""

from __future__ import annotations

import itertools
import os
import random
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

LOST = 77  # exit code of a process whose power was cut


class LossyDisk:
    """Counts the calls that change names or flush, and cuts the power at one of them.

    Args:
        root: the folder that lies on this disk.
        trash: an empty folder on the same file system, for what was removed.
        cut: the number of the call at which power is lost; None: never.
        rng: decides what survives.
    """

    def __init__(self, root: Path, trash: Path, cut: int | None, rng: random.Random) -> None:
        self.root, self.trash, self.cut, self.rng = root.resolve(), trash, cut, rng
        self.calls = 0
        self._numbers = itertools.count()
        self._undo: list[Callable[[], None]] = []  # of names, the latest last
        self._flushed = {one.stat().st_ino: _mark(one) for one in self._files()}
        self._names = {
            folder.stat().st_ino: {one.name for one in folder.iterdir()}
            for folder in (root, *self._folders())
        }
        self._real = {name: getattr(os, name) for name in ("fsync", "rename", "replace", "unlink")}
        self._rmtree = shutil.rmtree

    def install(self) -> None:
        """Take the place of the functions; in a process that ends afterwards."""
        os.fsync = self._fsync
        os.rename = os.replace = self._move
        os.unlink = os.remove = self._remove
        shutil.rmtree = self._remove_tree  # type: ignore[assignment]

    def _files(self) -> list[Path]:
        return [one for one in self.root.rglob("*") if one.is_file() and not one.is_symlink()]

    def _folders(self) -> list[Path]:
        return [one for one in self.root.rglob("*") if one.is_dir() and not one.is_symlink()]

    def _is_here(self, path: Any, options: dict[str, Any]) -> bool:
        if options.get("dir_fd") is not None or options.get("src_dir_fd") is not None:
            return False
        return Path(path).absolute().is_relative_to(self.root)

    def _tick(self) -> None:
        self.calls += 1
        if self.calls == self.cut:
            self._lose()
            os._exit(LOST)

    def _fsync(self, handle: int) -> None:
        self._tick()
        self._real["fsync"](handle)
        about = os.fstat(handle)
        if stat.S_ISDIR(about.st_mode):
            self._names[about.st_ino] = set(os.listdir(handle))
            self._undo.clear()
        else:
            self._flushed[about.st_ino] = (about.st_size, about.st_mtime_ns)

    def _move(self, source: Any, target: Any, **options: Any) -> None:
        if not self._is_here(target, options):
            return self._real["replace"](source, target, **options)
        self._tick()
        saved = self._save(Path(target)) if os.path.lexists(target) else None
        self._real["replace"](source, target)
        source, target = Path(source).absolute(), Path(target).absolute()

        def undo() -> None:
            source.parent.mkdir(parents=True, exist_ok=True)
            self._real["replace"](target, source)
            if saved:
                self._real["replace"](saved, target)

        self._undo.append(undo)

    def _remove(self, path: Any, **options: Any) -> None:
        if not self._is_here(path, options):
            return self._real["unlink"](path, **options)
        os.lstat(path)  # a missing file raises as it would
        self._tick()
        self._away(Path(path).absolute())

    def _remove_tree(self, path: Any, *args: Any, **options: Any) -> None:
        if not self._is_here(path, {}):
            return self._rmtree(path, *args, **options)
        if not os.path.lexists(path):
            if args or options.get("ignore_errors"):
                return
            raise FileNotFoundError(path)
        self._tick()
        self._away(Path(path).absolute())

    def _away(self, path: Path) -> None:
        saved = self.trash / str(next(self._numbers))
        self._real["replace"](path, saved)

        def undo() -> None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._real["replace"](saved, path)

        self._undo.append(undo)

    def _save(self, path: Path) -> Path:
        saved = self.trash / str(next(self._numbers))
        if path.is_dir():  # an empty one: nothing else can be replaced
            saved.mkdir()
        else:
            os.link(path, saved, follow_symlinks=False)
        return saved

    def _lose(self) -> None:
        """Put the disk into a state in which the power cut may have left it."""
        for undo in reversed(self._undo[self.rng.randint(0, len(self._undo)) :]):
            undo()
        for path in self._files():
            known = self._flushed.get(path.stat().st_ino)
            names = self._names.get(path.parent.stat().st_ino, set())
            if known != _mark(path):
                self._damage(path)
            elif path.name not in names and not self._undo and self.rng.random() < 0.5:
                self._real["unlink"](path)

    def _damage(self, path: Path) -> None:
        size = path.stat().st_size
        kind = self.rng.choice(("gone", "empty", "zeros", "short"))
        if kind == "gone":
            self._real["unlink"](path)
            return
        path.chmod(0o600)
        content = path.read_bytes()[: self.rng.randint(0, max(0, size - 1))]
        path.write_bytes({"empty": b"", "zeros": bytes(size), "short": content}[kind])


def _mark(path: Path) -> tuple[int, int]:
    about = path.stat()
    return about.st_size, about.st_mtime_ns


def cut_power(
    root: Path, trash: Path, work: Callable[[], object], cut: int | None, seed: int
) -> int:
    """Do `work` in a process of its own, on a disk whose power is cut at call number `cut`.

    Returns:
        How many calls there were; -1 where the power was cut.
    """
    shutil.rmtree(trash, ignore_errors=True)
    trash.mkdir()
    ours, its = os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            disk = LossyDisk(root, trash, cut, random.Random(seed))
            disk.install()
            work()
            os.write(its, str(disk.calls).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(its)
    with os.fdopen(ours, "rb") as stream:
        text = stream.read()
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, LOST), f"the work failed with {code}"
    return int(text) if code == 0 else -1
