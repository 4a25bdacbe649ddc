"""Content hashes through a stat cache, as git's index does it.

A file whose size, times and inode have not changed is not read again: that is what makes "nothing
has changed" an answer of milliseconds for gigabytes of weights. The time of the last change
(ctime) is among them, since anybody can put back the modification time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from phi3scaffold.project.files import try_json, write_whole
from phi3scaffold.project.layout import Layout


def digest(value: Any) -> str:
    """Return the sha256 of a JSON-able value in canonical form (64 hex digits)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def hash_file(path: Path) -> str:
    """Return the sha256 of a file, read whole. Raises OSError."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class StatCache:
    """sha256 of files by path, remembered with (size, mtime_ns, ctime_ns, inode).

    Args:
        file: where the cache is saved; a broken or missing one is only slow, never wrong.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._entries: dict[str, Any] = try_json(file)
        self._changed = False

    def sha256(self, path: Path) -> str:
        """Return the file's sha256. Raises OSError where it cannot be read."""
        stat = path.stat()
        stamp = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
        known = self._entries.get(str(path))
        if isinstance(known, list) and known[:-1] == stamp and isinstance(known[-1], str):
            return known[-1]
        value = hash_file(path)
        self._entries[str(path)] = [*stamp, value]
        self._changed = True
        return value

    def forget(self) -> None:
        """Read every file again from now on, in other processes too."""
        self._entries = {}
        self._changed = False
        with contextlib.suppress(OSError):
            self.file.unlink()

    def moved(self, old: Path, new: Path) -> None:
        """Take over the hashes of a folder's files after it was renamed."""
        prefix = f"{old}{os.sep}"
        for key in [key for key in self._entries if key.startswith(prefix)]:
            self._entries[f"{new}{os.sep}{key[len(prefix) :]}"] = self._entries.pop(key)
        self._changed = True

    def save(self) -> None:
        """Write the cache beside itself and rename; entries of vanished files are forgotten."""
        if not self._changed:
            return
        current = {key: value for key, value in self._entries.items() if Path(key).exists()}
        self.file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self.file, json.dumps(current), durable=False)
        self._changed = False


@contextlib.contextmanager
def project_cache(project: Layout) -> Iterator[StatCache]:
    """Yield a project's cache, and save it at the end where it can be written."""
    cache = StatCache(project.gen / ".hashes.json")
    try:
        yield cache
    finally:
        with contextlib.suppress(OSError):
            cache.save()
