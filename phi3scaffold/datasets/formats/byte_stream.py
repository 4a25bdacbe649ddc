"""A data file as bytes: opened, unpacked, counted, and how messages name it."""

from __future__ import annotations

import gzip
import io
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from phi3scaffold.project.errors import ScaffoldError

BUFFER = 1 << 20
MUCH, MOST_RATIO = 256 << 20, 500  # bytes; texts are packed to a third, tables to a fiftieth
HUB = "hf://datasets/"
CACHED = re.compile(
    r".*[/\\]datasets--(?P<repo>[^/\\]+)[/\\]snapshots[/\\](?P<commit>[0-9a-f]{40})[/\\](?P<path>.+)"
)


def unpacked_name(name: str) -> str:
    """Return a file's name in lower case and without .gz.

    >>> unpacked_name("Rows.CSV.gz")
    'rows.csv'
    """
    return name.lower().removesuffix(".gz")


def is_gz(file: Path) -> bool:
    """Return whether the file's name says that it is packed."""
    return file.name.lower().endswith(".gz")


_COPIES: dict[Path, tuple[Path, int]] = {}


def name_copy(copy: Path, source: Path, lines: int = 0) -> None:
    """Let messages name a copy as the user's own file, `lines` lines further up."""
    _COPIES[copy] = (source, lines)


def line_shown(file: Path, line: int) -> int:
    """Return the line that messages name: of a copy the line of the user's own file."""
    return line - _COPIES[file][1] if file in _COPIES else line


@lru_cache(maxsize=4096)
def shown(file: Path) -> str:
    """Return how messages name a file: one in the hub's cache by its shortened address."""
    text = str(_COPIES[file][0] if file in _COPIES else file)
    cached = CACHED.fullmatch(text) if "datasets--" in text else None
    if cached is None:
        return text
    repo = cached["repo"].replace("--", "/", 1)
    return f"{HUB}{repo}@{cached['commit'][:12]}/{cached['path'].replace(os.sep, '/')}"


@contextmanager
def readable(file: Path) -> Iterator[None]:
    """Turn errors of the disk or of gz while a file is read into messages that name the file."""
    try:
        yield
    except EOFError:
        raise ScaffoldError(
            "The gz file ends in the middle.", where=shown(file), fix="copy or download it again"
        ) from None
    except (zlib.error, gzip.BadGzipFile) as error:
        raise ScaffoldError(
            f"Not a valid gz file: {str(error).rstrip('.')}.",
            where=shown(file),
            fix="if it is not compressed, remove .gz from its name; else download it again",
        ) from None
    except OSError as error:
        raise unreadable(file, error) from None


def unreadable(path: Path, error: OSError) -> ScaffoldError:
    reason = (error.strerror or type(error).__name__).lower()
    return ScaffoldError(
        f"The data file cannot be read: {reason}.",
        where=shown(path),
        fix="make it readable: check its permissions and the links that lead to it",
    )


class Meter:
    """How many bytes of a file have been read so far, as they lie on the disk."""

    done = 0


class _Metered(io.FileIO):
    """A file whose reading is counted."""

    def __init__(self, file: Path, meter: Meter) -> None:
        super().__init__(file)
        self._meter = meter

    def readinto(self, buffer: Any) -> int:
        count = super().readinto(buffer) or 0
        self._meter.done += count
        return count


class _Unpacked(gzip.GzipFile):
    """Unpacks gz, and closes the packed file with itself."""

    def __init__(self, packed: io.BufferedReader[Any], file: Path) -> None:
        super().__init__(fileobj=packed)
        self._packed, self._file = packed, file

    def read(self, size: int | None = -1) -> bytes:
        if size is not None and size >= 0:
            data = super().read(size)
            check_ratio(self._file, self.tell(), self._packed.tell())
            return data
        return b"".join(iter(lambda: self.read(BUFFER), b""))

    def read1(self, size: int = -1) -> bytes:
        data = super().read1(size)
        check_ratio(self._file, self.tell(), self._packed.tell())
        return data

    def close(self) -> None:
        super().close()
        self._packed.close()


def check_ratio(file: Path, unpacked: int, packed: int) -> None:
    """Refuse a file that is mostly the same again: it would take the memory, the disk, or hours.

    Raises:
        ScaffoldError: it unpacks to more than `MOST_RATIO` times its size, and to much.
    """
    if unpacked > MUCH and unpacked > MOST_RATIO * packed:
        raise ScaffoldError(
            f"The file unpacks to more than {MOST_RATIO} times its size: no rows do that.",
            where=shown(file),
            fix="look at what it holds; write only the rows into it",
        )


def open_bytes(file: Path, meter: Meter) -> io.BufferedReader[Any]:
    """Open the file's content, decompressed; `meter` counts what was read off the disk."""
    packed = io.BufferedReader(_Metered(file, meter), BUFFER)
    return io.BufferedReader(_Unpacked(packed, file), BUFFER) if is_gz(file) else packed
