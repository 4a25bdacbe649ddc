"""The project's first commit."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

from phi3scaffold.generator.git import environment
from phi3scaffold.generator.render import have_git
from phi3scaffold.project.errors import ScaffoldError

FALLBACK = {
    "user.name": "phi3scaffold",
    "user.email": "phi3scaffold@localhost",
}


def first_commit(folder: Path, destination: Path) -> str | None:
    """Make `folder`, which will be renamed to `destination`, a git repository of one commit.

    Returns:
        None, or a sentence that says why there is no repository.

    Raises:
        ScaffoldError: git is there and fails.
        OSError: the disk is full.
    """
    if not have_git():
        return "git is not installed, so there is no repository; run `git init` later"
    above = _nearest(destination.parent)
    if _ok(above, "rev-parse", "--is-inside-work-tree") and not _ok(
        above, "check-ignore", "-q", str(destination)
    ):
        return "the folder is inside a git repository already, so it has none of its own"
    options: list[str] = []
    for key, value in FALLBACK.items():
        if not _ok(folder, "config", "--get", key):
            options += ["-c", f"{key}={value}"]
    # The user's own hooks and signing are for the user's own commits.
    options += ["-c", f"core.hooksPath={os.devnull}", "-c", "commit.gpgsign=false"]
    _run(folder, "init", "-q", "-b", "main")
    _run(folder, "add", "-A")
    _run(folder, *options, "commit", "-q", "-m", "Generate the project with phi3scaffold new")
    return None


def _nearest(folder: Path) -> Path:
    while not folder.is_dir():
        folder = folder.parent
    return folder


def _ok(folder: Path, *arguments: str) -> bool:
    result = subprocess.run(
        ["git", *arguments], cwd=folder, env=environment(), capture_output=True, check=False
    )
    return result.returncode == 0


def _run(folder: Path, *arguments: str) -> None:
    result = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        if os.strerror(errno.ENOSPC) in result.stderr:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
        lines = (result.stderr or result.stdout).strip().splitlines()
        raise ScaffoldError(
            f"git could not make the first commit: {lines[-1] if lines else 'no message'}",
            fix="see git's message, or use --no-git",
        )
