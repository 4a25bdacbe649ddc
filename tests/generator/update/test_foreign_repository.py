"""A repository of somebody else, whose configuration names programs: none of them is started."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from phi3scaffold.checks.lint_context import LintContext
from phi3scaffold.generator import git, update
from phi3scaffold.project.errors import ScaffoldError
from tests.support.releases import Release, installed

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the programs are shell scripts")


@pytest.fixture
def foreign(project: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A project whose own .git/config names a program everywhere; and the file that this writes."""
    mark, program = tmp_path / "started", tmp_path / "program"
    program.write_text(f'#!/bin/sh\necho "$0 $@" >> "{mark}"\ncat\n')
    program.chmod(0o755)
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("pre-commit", "post-checkout", "post-index-change", "reference-transaction"):
        (hooks / name).symlink_to(program)
    for key, value in {
        "core.fsmonitor": program,
        "core.hooksPath": hooks,
        "core.pager": program,
        "diff.external": program,
        "diff.any.command": program,
        "diff.any.textconv": program,
        "merge.any.driver": program,
        "filter.any.clean": program,
        "filter.any.smudge": program,
        "filter.any.required": "true",
        "credential.helper": program,
        "gpg.program": program,
    }.items():
        subprocess.run(["git", "config", key, str(value)], cwd=project, check=True)
    info = project / ".git" / "info"
    info.mkdir(exist_ok=True)
    (info / "attributes").write_text("* filter=any diff=any merge=any\n")
    return project, mark


def test_the_programs_would_run(foreign: tuple[Path, Path]) -> None:
    project, mark = foreign
    (project / "project.yaml").touch()
    subprocess.run(["git", "status"], cwd=project, capture_output=True, check=False)
    assert mark.exists()


def test_nothing_is_started(foreign: tuple[Path, Path], made: dict[str, Release]) -> None:
    project, mark = foreign
    mark.unlink(missing_ok=True)
    assert git.run(project, "status", "--porcelain").returncode == 0
    assert LintContext(project).tracked
    with installed(made["0.2.0"]):
        found = update.update(project, {})
    assert any("filters (any), which update does not run" in note for note in found.notes)
    assert not mark.exists(), mark.read_text()


def test_a_key_that_no_option_can_name_is_refused(project: Path) -> None:
    config = project / ".git" / "config"
    config.write_text(config.read_text() + '[filter "a=b"]\n\tclean = touch started\n')
    with pytest.raises(ScaffoldError, match="equals sign"):
        git.run(project, "status")
