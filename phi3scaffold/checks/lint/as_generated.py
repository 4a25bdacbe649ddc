"""The files that are not for editing are as the runtime in setup/ would write them.

These are fine-tuning/user_script.py, through which plain `olive run` finds the rows and masks all
but the answers, setup/setup.sh and setup.ps1, setup/constraints.txt, and setup/requirements.lock,
which has the sha256 of every package. All other files are yours. They are compared with the
template in the project's own wheel, whatever version of phi3scaffold is installed.

To fix it: `--fix` restores the original and prints what it removed. Put components of your own
into a script of their own, named in the Olive config.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from typing import Any

from phi3scaffold.checks.lint.wheel import wheels_of
from phi3scaffold.checks.lint_context import FileChange, LintContext
from phi3scaffold.generator.requirements import open_wheel, release_of_wheel
from phi3scaffold.generator.setup_files import environment_of, lock_of, lock_text
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.findings import Finding, Skip

ID = "L17-as-generated"
TEMPLATE = "phi3scaffold/template/project"
# file -> where it lies in the wheel
ORIGINALS = {
    "fine-tuning/user_script.py": f"{TEMPLATE}/fine-tuning/user_script.py",
    "setup/setup.sh": f"{TEMPLATE}/setup/setup.sh",
    "setup/setup.ps1": f"{TEMPLATE}/setup/setup.ps1.jinja",
    "setup/constraints.txt": "phi3scaffold/constraints.txt",
}


def check(context: LintContext) -> Iterator[Finding]:
    if len(wheels_of(context)) != 1:
        raise Skip("there is no single wheel in setup/ to compare with (L15)")
    for name, original in _originals(context):
        found = context.text(name)
        if found is None:
            yield Finding(ID, "error", "It is missing.", name, "phi3scaffold lint --fix")
        elif found != original and not context.has_marks(name):
            line = _first_difference(found, original)
            what = "It is not as it was generated, and an update would conflict with it."
            fix = "phi3scaffold lint --fix puts the original back"
            yield Finding(ID, "warning", what, f"{name}:{line}", fix)


def fix(context: LintContext) -> Iterator[FileChange]:
    """Put the originals back."""
    for name, original in _originals(context):
        if context.text(name) != original and not context.has_marks(name):
            yield FileChange(name, original, "as it was generated")


def _originals(context: LintContext) -> Iterator[tuple[str, str]]:
    """Yield each file with the text that it has to have; nothing for what cannot be known."""
    try:
        with open_wheel(wheels_of(context)[0]) as wheel:
            inside = set(wheel.namelist())
            texts = {
                name: wheel.read(place).decode("utf-8").replace("\r\n", "\n")
                for name, place in ORIGINALS.items()
                if place in inside
            }
    except (OSError, zipfile.BadZipFile, UnicodeDecodeError):
        return  # L15
    for name, text in texts.items():
        whole = _rendered(text, context.answers) if ORIGINALS[name].endswith(".jinja") else text
        if whole is not None:
            yield name, whole
    yield from _locks(context)


def _locks(context: LintContext) -> Iterator[tuple[str, str]]:
    """Yield the files of hashes, of the environments that setup/ has."""
    try:
        release = release_of_wheel(wheels_of(context)[0])
    except ScaffoldError:
        return  # L15
    for name in context.files:
        if re.fullmatch(r"setup/requirements[\w-]*\.txt", name):
            file = name.removeprefix("setup/")
            extras = environment_of(context.text(name) or "")
            text = lock_text(file, extras, release)
            if text:
                yield f"setup/{lock_of(file)}", text


def _rendered(text: str, answers: dict[str, Any]) -> str | None:
    """Render as Copier does, with copier.yml's `_envops`; None where it needs more."""
    from jinja2 import StrictUndefined, TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True, lstrip_blocks=True
    )
    try:
        return environment.from_string(text).render(answers)
    except TemplateError:
        return None


def _first_difference(one: str, other: str) -> int:
    pairs = zip(one.splitlines(), other.splitlines(), strict=False)
    same = next((n for n, (a, b) in enumerate(pairs, 1) if a != b), None)
    return same or min(one.count("\n"), other.count("\n")) + 1
