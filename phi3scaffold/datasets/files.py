"""The files that hold rows: found, checked, opened; folders and the hub's files among them."""

from __future__ import annotations

import gzip
import io
import os
import re
import stat
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from phi3scaffold.project.errors import ScaffoldError

KINDS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
READ = f"{', '.join(KINDS)}, each also with .gz"
BUFFER = 1 << 20
# Files that lie beside rows and hold none.
BESIDE = re.compile(r"dataset\.ya?ml|dataset_infos?\.json|(readme|licen[cs]e)\b.*|.*\.md", re.I)
HUB = "hf://datasets/"
CACHED = re.compile(
    r".*[/\\]datasets--(?P<repo>[^/\\]+)[/\\]snapshots[/\\](?P<commit>[0-9a-f]{40})[/\\](?P<path>.+)"
)


def kind_of(file: Path) -> str:
    """The ending that says how a file is read, lower case and without .gz: one of `KINDS`.

    Raises:
        ScaffoldError: it is none of them.
    """
    name = file.name.lower()
    kind = Path(name.removesuffix(".gz")).suffix
    if kind not in KINDS:
        raise ScaffoldError(
            f"Files of kind {kind!r} are not read."
            if kind
            else "The file's name has no ending that says what is in it.",
            where=shown(file),
            fix=f"one of: {READ}",
        )
    return kind


def is_gz(file: Path) -> bool:
    return file.name.lower().endswith(".gz")


@lru_cache(maxsize=4096)
def shown(file: Path) -> str:
    """How messages and reports name a file: one in the hub's cache by its address, shortened."""
    text = str(file)
    cached = CACHED.fullmatch(text) if "datasets--" in text else None
    if cached is None:
        return text
    repo = cached["repo"].replace("--", "/", 1)
    return f"{HUB}{repo}@{cached['commit'][:12]}/{cached['path'].replace(os.sep, '/')}"


def data_files(sources: Iterable[Path | str]) -> tuple[Path, ...]:
    """Every file of rows: folders give theirs in order of name, hub addresses are downloaded.

    Args:
        sources: files, folders, or ``hf://datasets/owner/name@commit/path``.

    Raises:
        ScaffoldError: one is missing, no regular file, of a kind that is not read, or a folder
            without rows.
    """
    found: list[Path] = []
    for source in sources:
        if isinstance(source, str) and source.startswith(HUB):
            from phi3scaffold.datasets.dataset_hub import download

            found.append(download(source))
            continue
        path = Path(source)
        if stat.S_ISDIR(_mode(path)):
            found += _folder(path)
        else:
            found.append(_checked(path))
    return tuple(found)


def _mode(path: Path) -> int:
    """The file's mode, links followed."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        raise ScaffoldError(
            "The link points to nothing." if path.is_symlink() else "The data file does not exist.",
            where=path,
            fix="put it there, or name another in datasets/dataset.yaml",
        ) from None
    except NotADirectoryError:
        raise ScaffoldError(
            "The path leads through a file.", where=path, fix="name a file that exists"
        ) from None
    except OSError as error:  # a loop of links, no permission, a name too long
        raise unreadable(path, error) from None


@contextmanager
def readable(file: Path) -> Iterator[None]:
    """What the disk or gz says while a file is read becomes a message that names the file."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _bad_gz(file, error) from None
    except OSError as error:
        raise unreadable(file, error) from None


def unreadable(path: Path, error: OSError) -> ScaffoldError:
    reason = (error.strerror or type(error).__name__).lower()
    return ScaffoldError(
        f"The data file cannot be read: {reason}.",
        where=shown(path),
        fix="make it readable: its permissions, and the links that lead to it",
    )


def _bad_gz(file: Path, error: Exception) -> ScaffoldError:
    if isinstance(error, EOFError):
        return ScaffoldError(
            "The gz file ends in the middle.", where=shown(file), fix="copy or download it again"
        )
    return ScaffoldError(
        f"Not a valid gz file: {str(error).rstrip('.')}.",
        where=shown(file),
        fix="take .gz off its name where it is not packed, else pack or download it again",
    )


def _checked(path: Path) -> Path:
    if not stat.S_ISREG(_mode(path)):
        raise ScaffoldError(
            "This is no ordinary file (a pipe, a device or a socket).",
            where=path,
            fix="write the rows into a file first",
        )
    kind_of(path)
    return path


def _folder(folder: Path) -> list[Path]:
    """The files below a folder in order of their paths; hidden ones and texts about them not."""
    found: list[Path] = []
    walked: dict[tuple[int, int], str] = {}

    def fail(error: OSError) -> None:
        raise unreadable(Path(error.filename or folder), error)

    for here, folders, names in os.walk(folder, followlinks=True, onerror=fail):
        status = Path(here).stat()
        before = walked.setdefault((status.st_dev, status.st_ino), here)
        if before != here and Path(here).is_relative_to(before):
            raise ScaffoldError(
                "A link in the folder leads back to a folder above it.",
                where=here,
                fix="remove the link",
            )
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and not BESIDE.fullmatch(name):
                found.append(_checked(Path(here, name)))
    if not found:
        raise ScaffoldError(
            "The folder holds no data files.", where=folder, fix=f"put {READ} there"
        )
    return sorted(found)


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

    def __init__(self, packed: io.BufferedReader[Any]) -> None:
        super().__init__(fileobj=packed)
        self._packed = packed

    def close(self) -> None:
        super().close()
        self._packed.close()


def open_bytes(file: Path, meter: Meter) -> io.BufferedReader[Any]:
    """The file's content, decompressed; `meter` counts what was read off the disk."""
    packed = io.BufferedReader(_Metered(file, meter), BUFFER)
    return io.BufferedReader(_Unpacked(packed), BUFFER) if is_gz(file) else packed
