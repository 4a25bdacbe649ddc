"""Lint a project, leave out what its ignore list names, fix what is safe to fix."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from phi3scaffold.checks.lint_context import FileChange, LintContext, ignore_list, ignored
from phi3scaffold.checks.runner import load, run_check, run_checks
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.files import write_whole
from phi3scaffold.project.findings import Finding


@dataclass(frozen=True)
class LintReport:
    """What lint found; `left_out` is what project.yaml's ignore list names."""

    findings: tuple[Finding, ...]
    left_out: tuple[Finding, ...]

    def fails(self, strict: bool) -> bool:
        """Return whether lint ends with 1; with `strict`, for a warning as well."""
        bad = ("error", "warning") if strict else ("error",)
        return any(finding.state in bad for finding in self.findings)


def lint_project(context: LintContext) -> LintReport:
    """Run every check on the project; one that finds nothing is ok."""
    patterns = _ignore_list(context)
    every = run_checks(load("lint"), context, silence_passes=True)
    left_out = tuple(finding for finding in every if ignored(finding, patterns))
    return LintReport(tuple(one for one in every if one not in left_out), left_out)


def fix_project(root: Path, *, write: bool) -> Iterator[tuple[FileChange, str]]:
    """Yield what can be fixed safely, each with its unified diff, by which it can be undone.

    Args:
        write: write it, too. Every fix then sees what the ones before it wrote.
    """
    for module in load("lint"):
        if not hasattr(module, "fix"):
            continue
        context = LintContext(root)
        patterns = _ignore_list(context)
        found = [one for one in run_check(module, context) if not ignored(one, patterns)]
        if not any(finding.state in ("error", "warning") for finding in found):
            continue
        for change in module.fix(context):
            path = root / change.name
            before = path.read_bytes().decode("utf-8") if path.is_file() else ""
            after = change.text.replace("\n", "\r\n") if "\r\n" in before else change.text
            if before != after:
                if write:
                    write_whole(path, after)
                yield change, _diff(change.name, before, after)


def _ignore_list(context: LintContext) -> dict[str, tuple[str, ...]]:
    try:
        return ignore_list(context)
    except ScaffoldError:  # L04 says so
        return {}


def _diff(name: str, before: str, after: str) -> str:
    """Return a diff that `git apply` and `git apply -R` take, from the project's folder."""
    lines = difflib.unified_diff(
        before.splitlines(keepends=True),
        after.splitlines(keepends=True),
        f"a/{name}" if before else "/dev/null",
        f"b/{name}",
    )
    text = ""
    for line in lines:
        text += line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
    return text
