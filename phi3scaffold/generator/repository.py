"""The project's first commit."""

from __future__ import annotations

from pathlib import Path

from phi3scaffold.generator import git
from phi3scaffold.generator.render import have_git
from phi3scaffold.project.errors import ScaffoldError

FALLBACK = {"user.name": "phi3scaffold", "user.email": "phi3scaffold@localhost"}


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
    above = next(parent for parent in destination.parents if parent.is_dir())
    inside = git.run(above, "rev-parse", "--is-inside-work-tree").returncode == 0
    if inside and not git.ignores(above, str(destination)):
        return "the folder is inside a git repository already, so it has none of its own"
    options = ["-c", "commit.gpgsign=false"]  # signing is for the user's own commits
    for key, value in FALLBACK.items():
        if git.run(folder, "config", "--get", key).returncode:
            options += ["-c", f"{key}={value}"]
    try:
        git.output(folder, "init", "-q", "-b", "main")
        git.output(folder, "add", "-A")
        message = "Generate the project with phi3scaffold new"
        git.output(folder, *options, "commit", "-q", "-m", message)
    except ScaffoldError as error:
        raise ScaffoldError(
            f"git could not make the first commit: {error.what.partition(': ')[2]}",
            fix="see git's message, or use --no-git",
        ) from error
    return None
