"""What the tests of the checks share."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from phi3scaffold.checks.lint_context import LintContext
from phi3scaffold.checks.lint_report import fix_project, lint_project
from phi3scaffold.checks.runner import run_check
from phi3scaffold.project.findings import Finding

BAD = ("error", "warning")


def found(root: Path, name: str, **options: bool) -> list[Finding]:
    """What one check finds in a project."""
    module = import_module(f"phi3scaffold.checks.lint.{name}")
    return [
        one
        for one in run_check(module, LintContext(root, **options))
        if one.state in (*BAD, "note")
    ]


def one(root: Path, name: str, **options: bool) -> Finding:
    """The one thing that a check finds."""
    findings = found(root, name, **options)
    assert len(findings) == 1, findings
    return findings[0]


def everything(root: Path, **options: bool) -> list[Finding]:
    """What all checks find, but those that take seconds."""
    report = lint_project(LintContext(root, quick=True, **options))
    return [finding for finding in report.findings if finding.state in BAD]


def change(root: Path, name: str, old: str, new: str) -> int:
    """Replace `old`, which stands there once; the number of its line."""
    path = root / name
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, (name, old, text.count(old))
    path.write_text(text.replace(old, new), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


def append(root: Path, name: str, text: str) -> int:
    """Put a text at the end of a file; the number of its first line."""
    path = root / name
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(before + text, encoding="utf-8")
    return before.count("\n") + 1


def fixed(root: Path) -> str:
    """Write what `--fix` would; the diffs that it prints."""
    return "".join(diff for _, diff in fix_project(root, write=True))
