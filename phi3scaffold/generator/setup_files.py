"""The environments of a project: what each file in setup/ that lists packages asks for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from phi3scaffold.generator import template
from phi3scaffold.generator.requirements import ReleasePins, pins, release_here

REQUIREMENTS = """\
# Exact pins that work together: phi3scaffold {version} [{extras}].
# Written by `phi3scaffold new`.
"""
# The head of each file says for which extras it was written.
EXTRAS = re.compile(r"^# .*phi3scaffold \S+ \[([\w, ]+)\]", re.MULTILINE)
LOCK = """\
# The packages of {name} and all that they bring along: phi3scaffold {version} [{extras}].
# Written by `phi3scaffold new`; the set-up script installs exactly these files.
--only-binary :all:
"""
CONDA = """\
# The environment of the job in the cloud: phi3scaffold {version} [{extras}].
# Written by `phi3scaffold new`. On this machine use setup.sh or setup.ps1 instead.
name: phi3scaffold-job
channels:
  - conda-forge
dependencies:
  - python=3.11
  - pip
  - pip:
"""


def write_environments(
    setup: Path,
    target: str,
    *,
    tiny: bool,
    release: ReleasePins | None = None,
) -> None:
    """Write the exact pins of every environment of a project for `target` into `setup`.

    Args:
        tiny: the base model is the demonstration model, whose job needs no GPU.
        release: another release's pins; by default this installation's.
    """
    release = release or release_here()
    found, constrained = release.distribution, release.constraints
    details = template.targets()[target]
    if constrained is not None:
        (setup / "constraints.txt").write_bytes(constrained)
    for name, extras in details["environments"].items():
        head = REQUIREMENTS.format(version=found.version, extras=", ".join(extras))
        lines = [*(["-c constraints.txt"] if constrained else []), *pins(*extras, of=found)]
        _write(setup / name, head, *lines)
        lock = lock_text(name, extras, release)
        if lock:
            _write(setup / lock_of(name), lock)
    if "job" in details:  # with all pins: Azure ML sees no other file of setup/
        extras = details["demonstration_job" if tiny else "job"]
        head = CONDA.format(version=found.version, extras=", ".join(extras))
        _write(setup / "conda.yaml", head, *(f"      - {pin}" for pin in pins(*extras, of=found)))


def lock_text(name: str, extras: Sequence[str], release: ReleasePins) -> str:
    """Return the requirements with hashes that stand beside the file `name`; "" where unknown."""
    lines = release.locked(extras)  # an older release had no hashes
    version = release.distribution.version
    head = LOCK.format(name=name, version=version, extras=", ".join(extras))
    return head + "".join(f"{line}\n" for line in lines) if lines else ""


def environment_of(text: str) -> list[str]:
    """Return the extras that a file of setup/ was written for, as its head says; else none."""
    head = EXTRAS.search(text)
    return [one.strip() for one in head[1].split(",")] if head else []


def lock_of(requirements: str) -> str:
    """Return the name of the file with the hashes of a file of requirements."""
    return requirements.replace(".txt", ".lock")


def _write(path: Path, head: str, *lines: str) -> None:
    text = head + "".join(f"{line}\n" for line in lines)
    path.write_text(text, encoding="utf-8", newline="\n")
