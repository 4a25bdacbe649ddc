"""Data files of a project: files, folders and the hub's, found and checked."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from phi3scaffold.datasets import dataset_hub
from phi3scaffold.datasets.dataset_error import YAML, DatasetError
from phi3scaffold.datasets.formats import registry
from phi3scaffold.datasets.formats.byte_stream import HUB, unreadable
from phi3scaffold.project.errors import ScaffoldError


def data_files(sources: Iterable[Path | str]) -> tuple[Path, ...]:
    """Return every data file: folders give theirs in order of name, hub addresses are downloaded.

    Args:
        sources: files, folders, or ``hf://datasets/owner/name@commit/path``.

    Raises:
        ScaffoldError: one is missing, no regular file, of a kind that is not read, or a folder
            without rows.
    """
    found: list[Path] = []
    for source in sources:
        if isinstance(source, str) and source.startswith(HUB):
            found.append(dataset_hub.download(source))
        elif stat.S_ISDIR(_mode(Path(source))):
            found += _folder(Path(source))
        else:
            found.append(_checked(Path(source)))
    return tuple(found)


def _mode(path: Path) -> int:
    """Return the file's mode, links followed."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        raise DatasetError(
            "The link points to nothing." if path.is_symlink() else "The data file does not exist.",
            where=path,
            fix=f"put it there, or name another in {YAML}",
            at_new="put it there, or name another: --data",
        ) from None
    except NotADirectoryError:
        raise ScaffoldError(
            "The path leads through a file.", where=path, fix="name a file that exists"
        ) from None
    except OSError as error:  # a loop of links, no permission, a name too long
        raise unreadable(path, error) from None


def _checked(path: Path) -> Path:
    if not stat.S_ISREG(_mode(path)):
        raise ScaffoldError(
            "This is not a regular file (it is a pipe, a device or a socket).",
            where=path,
            fix="write the rows into a file first",
        )
    registry.format_of(path)
    return path


def _folder(folder: Path) -> list[Path]:
    """Return the data files below a folder in order of path, without hidden ones and texts."""
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
            if not name.startswith(".") and not registry.BESIDE.fullmatch(name):
                found.append(_checked(Path(here, name)))
    if not found:
        raise ScaffoldError(
            "The folder holds no data files.",
            where=folder,
            fix=f"put {registry.endings_text()} there",
        )
    return sorted(found)
