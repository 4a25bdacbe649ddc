"""Every package is installed, at the version that was proved together with the others.

A project's setup/requirements.txt holds the exact pins, setup/constraints.txt what those bring
along. Olive, ONNX Runtime GenAI and transformers break each other between releases: another
version may work, and nobody has seen it. Outside of a project only what is installed is compared.

To mend it: `make setup` installs what is missing and puts back what differs.
"""

from __future__ import annotations

from collections.abc import Iterator

from phi3scaffold.checks.doctor_context import Scene
from phi3scaffold.checks.installed_packages import Environment, read_pins, same
from phi3scaffold.checks.verdict import Verdict

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
    "aml": "azure-ai-ml",
}


def check(scene: Scene) -> Iterator[Verdict]:
    for one in scene.environments:
        if one.pins:
            yield from _compare(one, one.pins, scene)
        elif scene.project is not None:
            yield Verdict(
                ID,
                "error",
                "The list of what has to be installed is missing",
                where=str(one.requirements),
                fix="take it from git again: git checkout -- setup",
            )
    if scene.project is None:
        yield from _compare(scene.environments[0], known_pins(scene.environments[0]), scene)


def known_pins(here: Environment) -> dict[str, str]:
    """The pins of the base, and of every extra that is here."""
    from phi3scaffold.generator.requirements import distribution

    found = distribution()
    pins = read_pins(found.base)
    for extra, package in EXTRAS.items():
        if here.installed(package):
            pins |= read_pins(found.extras.get(extra, ()))
    pins.pop("flatbuffers", None)  # any of them will do
    return pins


def _compare(one: Environment, pins: dict[str, str], scene: Scene) -> Iterator[Verdict]:
    where = f"{one.name}: {one.folder}"
    missing = [name for name in pins if one.installed(name) is None]
    other = {
        name: version
        for name, version in pins.items()
        if (found := one.installed(name)) is not None and not same(found, version)
    }
    fix = scene.setup if scene.project else "install phi3scaffold again"
    if missing:
        told = f"{len(missing)} of {len(pins)} packages are not installed: {_few(missing)}"
        yield Verdict(ID, "error" if scene.project else "warning", told, where=where, fix=fix)
    if other:
        told = _few([f"{name} {one.installed(name)} (pinned {other[name]})" for name in other])
        yield Verdict(ID, "warning", f"Not the proved version: {told}", where=where, fix=fix)
    beside = _beside(scene, one, pins)
    if beside and not missing:
        told = f"Brought along, and not as in constraints.txt: {_few(beside)}"
        yield Verdict(ID, "note", told, where=where, fix=fix)
    if not missing and not other and not beside:
        yield Verdict(ID, "ok", f"{len(pins)} pinned packages, all as pinned", where=where)


def _beside(scene: Scene, one: Environment, pins: dict[str, str]) -> list[str]:
    """What the project's constraints say of packages that are here at another version."""
    if scene.project is None:
        return []
    path = scene.folder / "setup" / "constraints.txt"
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
