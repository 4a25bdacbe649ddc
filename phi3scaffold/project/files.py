"""Reading and writing a project's files: errors name the file and line; nothing is half written."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.yaml_text import load_yaml

# Bytes. PyYAML reads about 200 kB a second; the largest JSON is a big vocabulary's tokenizer.json.
MOST_YAML, MOST_JSON = 1_000_000, 200_000_000


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file whose top level is a mapping. Raises ScaffoldError with the line."""
    import yaml

    try:
        content = load_yaml(read_small(path, MOST_YAML))
    except FileNotFoundError:
        raise ScaffoldError("The file is missing.", where=path) from None
    except UnicodeDecodeError as error:
        raise ScaffoldError(
            f"Not UTF-8: {error.reason}.", where=path, fix="save it as UTF-8"
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date that is none
        mark = getattr(error, "problem_mark", None)
        why = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ScaffoldError(
            f"Not valid YAML: {why}.",
            where=f"{path}:{mark.line + 1}" if mark else path,
            fix="correct that line: indent with spaces, not tabs; quote texts with : { # or [",
        ) from None
    return mapping(content, "the file", path)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds an object. Raises ScaffoldError with the line."""
    try:
        content = json.loads(read_small(path, MOST_JSON))
    except FileNotFoundError:
        raise ScaffoldError("The file is missing.", where=path) from None
    except json.JSONDecodeError as error:
        raise ScaffoldError(
            f"Not valid JSON: {error.msg}.", where=f"{path}:{error.lineno}", fix="correct that line"
        ) from None
    except UnicodeDecodeError:
        raise ScaffoldError("Not valid JSON: it is not UTF-8.", where=path) from None
    except (ValueError, RecursionError) as error:  # ValueError: a number of thousands of digits
        why = "nested too deeply" if isinstance(error, RecursionError) else "a number is too long"
        raise ScaffoldError(f"Not valid JSON: {why}.", where=path) from None
    if not isinstance(content, dict):
        raise ScaffoldError("It must hold a JSON object.", where=f"{path}:1")
    return content


def read_small(path: Path, most: int) -> str:
    """Return a text file of at most `most` bytes.

    Raises:
        ScaffoldError: it is larger, or a device or a pipe, which may never end.
        OSError, UnicodeDecodeError: it cannot be read, or is not UTF-8.
    """
    if path.exists() and not path.is_dir() and not path.is_file():
        raise ScaffoldError("It is not an ordinary file.", where=path)
    with path.open("rb") as stream:
        data = stream.read(most + 1)
    if len(data) > most:
        raise ScaffoldError(
            f"The file is larger than {most // 1_000_000:,} MB: it is not what its name says.",
            where=path,
        )
    return data.decode("utf-8")


def try_json(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds an object; empty where there is none that can be read."""
    try:
        return read_json(path)
    except (ScaffoldError, OSError):
        return {}


def mapping(value: Any, name: str, path: Path) -> dict[str, Any]:
    """Return a part of a YAML file that has to be a mapping. Raises ScaffoldError."""
    if not isinstance(value, dict):
        raise ScaffoldError(
            f"{name[:1].upper()}{name[1:]} must be a mapping of keys to values.",
            where=path,
            fix="write KEY: VALUE, one on each line",
        )
    return value


def as_json(content: Any, *, indent: int = 1) -> str:
    """Return values as the text of a JSON file."""
    return json.dumps(content, indent=indent) + "\n"


def write_json(path: Path, content: Any, *, indent: int = 1) -> None:
    """Write values as a JSON file, whole or not at all."""
    write_whole(path, as_json(content, indent=indent))


def write_whole(path: Path, content: str | bytes, *, durable: bool = True) -> None:
    """Write a file whole or not at all; one that is replaced keeps its permissions."""
    with whole_file(path, durable=durable) as part:
        part.write_bytes(content.encode() if isinstance(content, str) else content)
        if path.exists():
            part.chmod(path.stat().st_mode & 0o777)


def write_together(files: Mapping[Path, bytes]) -> None:
    """Replace several files, all of them or none; each keeps its permissions.

    Raises:
        OSError: one cannot be written; then all are as they were.
    """
    before = {path: path.read_bytes() for path in files}
    with contextlib.ExitStack() as stack:
        parts = {path: stack.enter_context(_part_of(path)) for path in files}
        for path, part in parts.items():
            part.write_bytes(files[path])
            part.chmod(path.stat().st_mode & 0o777)
            to_disk(part)
        replaced: list[Path] = []
        try:
            for path, part in parts.items():
                replaced.append(path)
                part.replace(path)
            for folder in {path.parent for path in files}:
                to_disk(folder)
        except BaseException:
            for path in replaced:
                if path.read_bytes() != before[path]:
                    path.write_bytes(before[path])
            raise


@contextlib.contextmanager
def _part_of(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` that is gone at the end."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.unlink(missing_ok=True)  # a link there would lead what is written elsewhere
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def whole_file(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Yield a path beside `path`; what the block writes there becomes `path` when it succeeds.

    Args:
        path: the file.
        durable: whether it has to survive a crash of the machine, too; what can be made again
            in a moment need not.
    """
    with _part_of(path) as part:
        yield part
        if durable:
            to_disk(part)
        part.replace(path)
        if durable:
            to_disk(path.parent)


def to_disk(path: Path) -> None:
    """Wait until a file's content is on the disk, or the names in a folder.

    Windows cannot flush a folder, and does not need to: NTFS keeps renames in order.
    """
    is_folder, on_windows = path.is_dir(), os.name == "nt"
    if path.is_symlink() or (is_folder and on_windows):
        return
    handle = os.open(path, os.O_RDWR if on_windows else os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:
        if not is_folder:  # some network file systems flush no folders
            raise
    finally:
        os.close(handle)


def tree_to_disk(folder: Path) -> None:
    """Wait until a folder and all that lies in it is on the disk."""
    for here, _, names in os.walk(folder):
        for name in names:
            to_disk(Path(here, name))
        to_disk(Path(here))
