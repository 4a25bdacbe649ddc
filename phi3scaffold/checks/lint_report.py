"""Look at a project, leave out what its ignore list names, mend what is safe to mend."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from phi3scaffold.checks.lint_context import Change, Tree, ignore_list, ignored
from phi3scaffold.checks.runner import load, run, run_one
from phi3scaffold.checks.verdict import Verdict
from phi3scaffold.project.errors import ScaffoldError


@dataclass(frozen=True)
class Report:
    """What lint found.

    Attributes:
        verdicts: in the order of the checks.
        left_out: those that project.yaml's ignore list names.
    """

    verdicts: tuple[Verdict, ...]
    left_out: tuple[Verdict, ...]

    def fails(self, strict: bool) -> bool:
        bad = ("error", "warning") if strict else ("error",)
        return any(verdict.state in bad for verdict in self.verdicts)


def look(tree: Tree) -> Report:
    """Every verdict on the project."""
    given = _ignore_list(tree)
    kept: list[Verdict] = []
    left_out: list[Verdict] = []
    for verdict in run(load("lint"), tree):
        (left_out if ignored(verdict, given) else kept).append(verdict)
    return Report(tuple(kept), tuple(left_out))


def mend(root: Path, *, write: bool) -> Iterator[tuple[Change, str]]:
    """What can be mended safely, each with its unified diff, by which it can be undone.

    Args:
        write: write it, too. Every fix then sees what the ones before it wrote.
    """
    for module in load("lint"):
        if not hasattr(module, "fix"):
            continue
        tree = Tree(root)
        given = _ignore_list(tree)
        found = [one for one in run_one(module, tree) if not ignored(one, given)]
        if not any(verdict.state in ("error", "warning") for verdict in found):
            continue
        for change in module.fix(tree):
            path = root / change.name
            before = path.read_bytes().decode("utf-8") if path.is_file() else ""
            after = change.text.replace("\n", "\r\n") if "\r\n" in before else change.text
            if before != after:
                if write:
                    _write(path, after)
                yield change, _diff(change.name, before, after)


def _ignore_list(tree: Tree) -> dict[str, tuple[str, ...]]:
    try:
        return ignore_list(tree)
    except ScaffoldError:  # L04 says so
        return {}


def _write(path: Path, text: str) -> None:
    """Whole or not at all, with the permissions that it had."""
    new = path.with_name(f"{path.name}.{os.getpid()}")
    new.write_bytes(text.encode("utf-8"))
    if path.exists():
        new.chmod(path.stat().st_mode & 0o777)
    new.replace(path)


def _diff(name: str, before: str, after: str) -> str:
    """What `git apply` and `git apply -R` take, from the project's folder."""
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
