"""The requirements are those of the runtime in setup/, and inferences/ repeats them.

The pins work together; newer versions do not (Olive 0.13 with ONNX Runtime GenAI 0.15 silently
produces nothing). Each file is compared with the requirements of the wheel in setup/. You may add
packages.

To fix it: `--fix` writes pins that are missing or differ. For newer ones, update the runtime:
`phi3scaffold update`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from phi3scaffold.checks.lint.wheel import wheels_of
from phi3scaffold.checks.lint_context import FileChange, LintContext
from phi3scaffold.generator.setup_files import environment_of
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.findings import Finding, Skip

ID = "L16-pins"
PIN = re.compile(r"^(\s*(?:- )?)([A-Za-z0-9][\w.-]*)\s*(==[^\s;#]+)?\s*(;[^#]*)?")


class Wrong(NamedTuple):
    """A pin that differs, or, without a line, that is missing."""

    file: str
    line: int | None
    found: str
    wanted: str


def check(context: LintContext) -> Iterator[Finding]:
    if len(wheels_of(context)) != 1:
        raise Skip("there is no single wheel in setup/ to compare with (L15)")
    for wrong in _all(context):
        place = f"{wrong.file}:{wrong.line}" if wrong.line else wrong.file
        what = f"{wrong.found} is not what the runtime is proved with: {wrong.wanted}."
        if wrong.line is None:
            what = f"{wrong.wanted} is missing, which the runtime needs."
        yield Finding(ID, "error", what, place, f"{wrong.wanted} (lint --fix writes it)")


def _all(context: LintContext) -> Iterator[Wrong]:
    from phi3scaffold.generator import requirements

    try:
        runtime = requirements.release_of_wheel(wheels_of(context)[0]).distribution
    except ScaffoldError:
        return  # L15 says so
    proved: dict[str, str] = {}
    names = [name for name in context.files if re.fullmatch(r"setup/requirements.*\.txt", name)]
    for name in (*names, "setup/conda.yaml"):
        extras = environment_of(context.text(name) or "")
        if not extras or any(extra not in runtime.extras for extra in extras):
            continue  # not written by `new`
        wanted = {_key(line): line for line in requirements.pins(*extras, of=runtime)}
        proved |= wanted
        there = _lines(context, name)
        for key, line in wanted.items():
            if key not in there:
                yield Wrong(name, None, "", line)
            elif _plain(there[key][1]) != _plain(line):
                yield Wrong(name, *there[key], line)
    for name in context.files:
        if re.fullmatch(r"inferences/requirements-.*\.txt", name):
            for key, (number, line) in _lines(context, name).items():
                if key in proved and _version(line) != _version(proved[key]):
                    yield Wrong(name, number, line, proved[key].partition(";")[0].strip())


def _lines(context: LintContext, name: str) -> dict[str, tuple[int, str]]:
    """Return package -> (line, requirement) of a requirements file, or of conda.yaml's."""
    found = {}
    for number, line in enumerate((context.text(name) or "").splitlines(), 1):
        match = PIN.match(line)
        if match and match[3]:
            found[_key(match[2])] = (number, line.partition("#")[0].strip().removeprefix("- "))
    return found


def _key(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def _version(requirement: str) -> str:
    return requirement.partition(";")[0].partition("==")[2].strip()


def _plain(requirement: str) -> str:
    return re.sub(r"[\s\"']", "", requirement).lower()


def fix(context: LintContext) -> Iterator[FileChange]:
    """Write the pins that differ or are missing; every other line stays."""
    by_file: dict[str, list[Wrong]] = {}
    for wrong in _all(context):
        by_file.setdefault(wrong.file, []).append(wrong)
    for name, wrongs in by_file.items():
        lines = (context.text(name) or "").splitlines()
        indent = "      - " if name.endswith(".yaml") else ""
        for wrong in wrongs:
            if wrong.line is None:
                lines.append(f"{indent}{wrong.wanted}")
            else:
                before = lines[wrong.line - 1]
                lines[wrong.line - 1] = before.replace(wrong.found, wrong.wanted)
        requirements = ", ".join(wrong.wanted.partition(";")[0].strip() for wrong in wrongs)
        text = "".join(f"{line}\n" for line in lines)
        yield FileChange(name, text, f"the runtime's pins: {requirements}")
