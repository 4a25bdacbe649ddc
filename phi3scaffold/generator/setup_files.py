"""The environments of a project: what each file in setup/ that lists packages asks for."""

from __future__ import annotations

from pathlib import Path

from phi3scaffold.generator import template
from phi3scaffold.generator.requirements import Distribution, constraints, distribution, pins

REQUIREMENTS = """\
# Exact pins that work together: phi3scaffold {version} [{extras}].
# Written by `phi3scaffold new`.
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
    release: tuple[Distribution, bytes | None] | None = None,
) -> None:
    """Write the exact pins of every environment of a project for `target` into `setup`.

    Args:
        tiny: the base model is the demonstration model, whose job needs no GPU.
        release: another release's metadata and constraints; by default this installation's.
    """
    if release is None:
        fixed = constraints()
        release = distribution(), None if fixed is None else fixed.read_bytes()
    found, constrained = release
    details = template.targets()[target]
    if constrained is not None:
        (setup / "constraints.txt").write_bytes(constrained)
    for name, extras in details["environments"].items():
        head = REQUIREMENTS.format(version=found.version, extras=", ".join(extras))
        lines = [*(["-c constraints.txt"] if constrained else []), *pins(*extras, of=found)]
        _write(setup / name, head, *lines)
    if "job" in details:  # with all pins: Azure ML sees no other file of setup/
        extras = details["demonstration_job" if tiny else "job"]
        head = CONDA.format(version=found.version, extras=", ".join(extras))
        _write(setup / "conda.yaml", head, *(f"      - {pin}" for pin in pins(*extras, of=found)))


def _write(path: Path, head: str, *lines: str) -> None:
    text = head + "".join(f"{line}\n" for line in lines)
    path.write_text(text, encoding="utf-8", newline="\n")
