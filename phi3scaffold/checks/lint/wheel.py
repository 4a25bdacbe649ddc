"""setup/ holds one wheel of the runtime, intact, under its own name, and the project's own.

`make setup` and the job in the cloud install the runtime from it. With two wheels it is unclear
which one runs. .copier-answers.yml has the sha256 of the wheel that `new` or `update` wrote; the
set-up script refuses another. A wheel with the version of the phi3scaffold that looks, and with
other code, is named. The wheel of a demonstration project carries the model's weights and is not in
git.

To fix it: keep the newest. Where none is left, `phi3scaffold update` writes one, or copy it from
where the project was created.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from phi3scaffold import __version__
from phi3scaffold.checks.lint_context import LintContext
from phi3scaffold.generator.requirements import NAME, open_wheel
from phi3scaffold.generator.wheel import (
    RECORD,
    WEIGHTS,
    package_files,
    record_hash,
    wrong_wheel,
)
from phi3scaffold.project.findings import Finding, State

ID = "L15-wheel"
WRITE = "phi3scaffold update; or take it from where the project was made"


def check(context: LintContext) -> Iterator[Finding]:
    wheels = wheels_of(context)
    if not wheels:
        own = context.project is not None and context.project.is_demonstration
        what = "The runtime's wheel is missing from setup/: `make setup` has nothing to install."
        yield Finding(ID, "warning" if own else "error", what, "setup", WRITE)
    elif len(wheels) > 1:
        what = f"There are {len(wheels)} wheels of phi3scaffold in setup/."
        yield Finding(ID, "error", what, f"setup/{wheels[0].name}", "keep the newest")
    else:
        wrong = _wrong(wheels[0])
        if wrong:
            yield Finding(ID, "error", wrong, f"setup/{wheels[0].name}", WRITE)
            return
        recorded = context.answers.get(RECORD)
        other = wrong_wheel(wheels[0], recorded)
        if other:  # a project from before 0.4.0 has no record
            state: State = "error" if recorded else "warning"
            yield Finding(ID, state, other, f"setup/{wheels[0].name}", WRITE)
        elif name := _other_code(wheels[0]):
            what = f"It is named as this version of phi3scaffold, and {name} in it is another."
            fix = f"install it only if you trust where the project is from; {WRITE}"
            yield Finding(ID, "note", what, f"setup/{wheels[0].name}", fix)


def wheels_of(context: LintContext) -> list[Path]:
    return sorted((context.root / "setup").glob("phi3scaffold-*.whl"))


def _other_code(path: Path) -> str | None:
    """Return a file that differs from this installation, where the wheel has the same version."""
    if path.name.split("-")[1].partition("+")[0] != __version__:
        return None
    with open_wheel(path) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        here = package_files(weights=any(name.startswith(f"{NAME}/{WEIGHTS}") for name in names))
        for name in sorted(names | here.keys()):
            if name not in names or wheel.read(name) != here.get(name):
                return name
    return None


def _wrong(path: Path) -> str | None:
    """Yield what is wrong with a wheel: every file against its RECORD, and its name."""
    version = path.name.split("-")[1]
    info = f"phi3scaffold-{version}.dist-info"
    try:
        with open_wheel(path) as wheel:
            lines = wheel.read(f"{info}/RECORD").decode("utf-8").splitlines()
            for line in lines:
                name, recorded, _ = line.rsplit(",", 2)
                if recorded and recorded != record_hash(wheel.read(name)):
                    return f"{name} in it is not as its RECORD says."
    except KeyError:
        return "Its name is not what is in it, or a file is missing in it."
    except (OSError, zipfile.BadZipFile, zlib.error, ValueError):
        return "It is no whole wheel: cut short, or damaged."
    return None
