"""Every package is installed, at the version that was tested with the others.

A project's setup/requirements.txt holds the exact pins, setup/constraints.txt the versions of
their dependencies. Olive, ONNX Runtime GenAI and transformers break each other between releases:
another version may work, but was not tested. Outside of a project, only installed packages are
compared.

To fix it: `make setup` installs missing packages and restores pinned versions.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from phi3scaffold.pipeline.installed_packages import FOLDERS, Environment, read_pins, same
from phi3scaffold.project.findings import Finding
from phi3scaffold.project.settings import Project
from phi3scaffold.targets.doctor_context import DoctorContext
from phi3scaffold.targets.registry import TARGETS

ID = "D05-packages"
SHOWN = 6  # of a list of packages
# extra -> the package that is there for it alone
EXTRAS = {
    "train": "olive-ai",
    "cpu": "onnxruntime-genai",
    "cuda": "onnxruntime-genai-cuda",
    "directml": "onnxruntime-genai-directml",
    "track": "mlflow-skinny",
    "serve": "fastapi",
}


def check(context: DoctorContext) -> Iterator[Finding]:
    for one in context.environments:
        if one.pins:
            yield from _compare(one, one.pins, context)
        elif context.project is not None:
            what = "The list of what has to be installed is missing"
            fix = "take it from git again: git checkout -- setup"
            yield Finding(ID, "error", what, str(one.requirements), fix)
    if context.project is None:
        yield from _compare(context.environments[0], known_pins(context.environments[0]), context)


def known_pins(here: Environment) -> dict[str, str]:
    """Return the pins of the base, and of every extra that is here."""
    from phi3scaffold.generator.requirements import distribution

    found = distribution()
    targets = {one.extra for one in TARGETS.values() if one.extra}
    pins = read_pins(found.base)
    for extra, package in [*EXTRAS.items(), *targets]:
        if here.installed(package):
            pins |= read_pins(found.extras.get(extra, ()))
    pins.pop("flatbuffers", None)  # any of them will do
    return pins


def package_versions(project: Project | None) -> dict[str, dict[str, str | None]]:
    """Return name -> expected and installed version, of this Python's packages, for `info`.

    Expected are the pins in the project's setup/, or, where there are none, our own.
    """
    requirements = None if project is None else project.root / "setup" / FOLDERS[".venv"]
    here = Environment("this Python", Path(sys.prefix), None, requirements)
    pins = here.pins or known_pins(here)
    return {
        name: {"expected": pins[name], "installed": here.installed(name)} for name in sorted(pins)
    }


def _compare(one: Environment, pins: dict[str, str], context: DoctorContext) -> Iterator[Finding]:
    where = f"{one.name}: {one.folder}"
    missing = [name for name in pins if one.installed(name) is None]
    other = {
        name: version
        for name, version in pins.items()
        if (found := one.installed(name)) is not None and not same(found, version)
    }
    fix = context.setup if context.project else "install phi3scaffold again"
    if missing:
        message = f"{len(missing)} of {len(pins)} packages are not installed: {_few(missing)}"
        yield Finding(ID, "error" if context.project else "warning", message, where=where, fix=fix)
    if other:
        message = _few([f"{name} {one.installed(name)} (pinned {other[name]})" for name in other])
        yield Finding(ID, "warning", f"Not the tested version: {message}", where=where, fix=fix)
    beside = _beside(context, one, pins)
    if beside and not missing:
        message = f"Dependencies that differ from constraints.txt: {_few(beside)}"
        yield Finding(ID, "note", message, where=where, fix=fix)
    if not missing and not other and not beside:
        yield Finding(ID, "ok", f"{len(pins)} pinned packages, all as pinned", where=where)


def _beside(context: DoctorContext, one: Environment, pins: dict[str, str]) -> list[str]:
    """Return what the project's constraints say of packages that are here at another version."""
    if context.project is None:
        return []
    path = context.folder / "setup" / "constraints.txt"
    if not path.is_file():
        return []
    fixed = read_pins(path.read_text(encoding="utf-8").splitlines())
    found = {name: one.installed(name) for name in fixed if name not in pins}
    return [
        f"{name} {version} ({fixed[name]})"
        for name, version in found.items()
        if version is not None and not same(version, fixed[name])
    ]


def _few(names: list[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
