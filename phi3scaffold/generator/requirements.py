"""The pins of this installation: what setup/ of a project asks for, extra by extra.

Their home is pyproject.toml; an installed package carries them in its metadata.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phi3scaffold.generator.template import PACKAGE
from phi3scaffold.project.errors import ScaffoldError

if TYPE_CHECKING:
    from zipfile import ZipFile

NAME = "phi3scaffold"
# Package data from beside pyproject.toml: what the direct pins bring along, and all hashes.
CONSTRAINTS, HASHES = "constraints.txt", "hashes.txt"
MOST_BYTES = 200_000_000  # of a wheel; with the demonstration model it has 10 million


@dataclass(frozen=True)
class Distribution:
    """What a wheel's metadata says about this package.

    Attributes:
        version: without a local part (``+...``).
        fields: metadata lines other than names, versions and requirements.
        base: requirements of the package itself, as ``name==1.2; marker``.
    """

    version: str
    fields: tuple[tuple[str, str], ...]
    base: tuple[str, ...]
    extras: dict[str, tuple[str, ...]]
    entry_points: str


@cache
def distribution() -> Distribution:
    """Read the checkout's pyproject.toml, or the installed package's metadata.

    Raises:
        ScaffoldError: the package is neither.
    """
    from importlib import metadata

    checkout = PACKAGE.parent / "pyproject.toml"
    if checkout.is_file():
        return _from_checkout(checkout)
    try:
        found = metadata.distribution(NAME)
    except metadata.PackageNotFoundError:
        raise ScaffoldError(
            "phi3scaffold is not installed: its requirements are unknown.",
            where=PACKAGE,
            fix="pip install it, or run it from a whole checkout",
        ) from None
    return _from_message(found.metadata, found.read_text("entry_points.txt") or "")


def pins(*extras: str, of: Distribution | None = None) -> list[str]:
    """Return the requirements of the base and of `extras`, sorted, each once.

    Another release may not have had one of the extras yet.
    """
    found = of or distribution()
    known = [extra for extra in extras if of is None or extra in of.extras]
    lines = [*found.base, *(line for extra in known for line in found.extras[extra])]
    return sorted(dict.fromkeys(lines), key=str.lower)


@dataclass(frozen=True)
class ReleasePins:
    """What a release pins.

    Attributes:
        constraints: the content of its constraints.txt, or None where it has none.
        hashes: that of its hashes.txt, likewise.
    """

    distribution: Distribution
    constraints: bytes | None
    hashes: bytes | None

    def locked(self, extras: Iterable[str]) -> list[str]:
        """Return the requirements, with hashes, of an environment; none where it is not known."""
        lines = [line for line in (self.hashes or b"").decode("utf-8").splitlines() if line]
        parts = [line.rpartition(" # ") for line in lines if not line.startswith("#")]
        return [line for line, _, names in parts if ",".join(extras) in names.split()]


def release_here() -> ReleasePins:
    """Return the pins of this installation."""
    read = [None if path is None else path.read_bytes() for path in (constraints(), hashes())]
    return ReleasePins(distribution(), *read)


def constraints() -> Path | None:
    """Return the file that pins indirect requirements, or None."""
    return _beside(CONSTRAINTS)


def hashes() -> Path | None:
    """Return the file of the hashes of all that a project's environments install, or None."""
    return _beside(HASHES)


def _beside(name: str) -> Path | None:
    """Return a file from beside pyproject.toml, or from the package's data."""
    for folder in (PACKAGE.parent, PACKAGE):
        path = folder / name
        if path.is_file() and (folder == PACKAGE or (folder / "pyproject.toml").is_file()):
            return path
    return None


def _from_checkout(path: Path) -> Distribution:
    import tomllib

    from phi3scaffold import __version__

    project: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
    scripts = "".join(f"{name} = {target}\n" for name, target in project["scripts"].items())
    return Distribution(
        version=str(project.get("version", __version__)),
        fields=(
            ("Summary", project["description"]),
            ("License-Expression", project["license"]),
            ("Requires-Python", project["requires-python"]),
        ),
        base=tuple(project["dependencies"]),
        extras={name: tuple(lines) for name, lines in project["optional-dependencies"].items()},
        entry_points=f"[console_scripts]\n{scripts}",
    )


def open_wheel(path: Path) -> ZipFile:
    """Open a wheel that lies in a project, which may be somebody else's.

    Raises:
        OSError: it is no ordinary file, or far larger than a wheel of ours, packed or unpacked.
        BadZipFile: it is no archive.
    """
    from zipfile import ZipFile

    if not path.is_file() or path.stat().st_size > MOST_BYTES:
        raise OSError(f"{path} is no file, or too large")
    wheel = ZipFile(path)
    if sum(entry.file_size for entry in wheel.infolist()) > MOST_BYTES:
        wheel.close()
        raise OSError(f"{path} holds too much")
    return wheel


def release_of_wheel(path: Path) -> ReleasePins:
    """Read the pins of a wheel.

    Raises:
        ScaffoldError: it is no wheel of this package.
    """
    import email
    import zipfile

    try:
        with open_wheel(path) as wheel:
            name = next(one for one in wheel.namelist() if one.endswith(".dist-info/METADATA"))
            points = wheel.read(name.replace("METADATA", "entry_points.txt")).decode("utf-8")
            found = _from_message(email.message_from_bytes(wheel.read(name)), points)
            inside = set(wheel.namelist())
            places = [f"{NAME}/{file}" for file in (CONSTRAINTS, HASHES)]
            read = [wheel.read(place) if place in inside else None for place in places]
            return ReleasePins(found, *read)
    except (OSError, zipfile.BadZipFile, KeyError, StopIteration, ValueError, zlib.error):
        raise ScaffoldError("This is not a phi3scaffold wheel.", where=path) from None


def _from_message(message: Any, entry_points: str) -> Distribution:
    base: list[str] = []
    extras: dict[str, list[str]] = {name: [] for name in message.get_all("Provides-Extra") or []}
    for line in message.get_all("Requires-Dist") or []:
        requirement, extra = split_extra(line)
        (base if extra is None else extras.setdefault(extra, [])).append(requirement)
    keys = ("Summary", "License-Expression", "Requires-Python")
    return Distribution(
        version=message["Version"].partition("+")[0],
        fields=tuple((key, message[key]) for key in keys if message[key]),
        base=tuple(base),
        extras={name: tuple(lines) for name, lines in extras.items()},
        entry_points=entry_points,
    )


def split_extra(line: str) -> tuple[str, str | None]:
    """Split ``a==1; (m) and extra == 'x'`` into ``a==1; m`` and ``x``, or None without one."""
    requirement, _, marker = line.partition(";")
    match = re.search(r"""\s*(?:and\s+)?extra\s*==\s*['"]([\w.-]+)['"]\s*$""", marker)
    if match is None:
        return line.strip(), None
    rest = marker[: match.start()].strip()
    if rest.startswith("(") and rest.endswith(")"):
        rest = rest[1:-1].strip()
    return (f"{requirement.strip()}; {rest}" if rest else requirement.strip()), match[1]
