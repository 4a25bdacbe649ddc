"""Run git on a project: no hooks, no pathspec magic, messages in English. Make its first commit."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

from phi3scaffold.generator.render import GIT_LOCATIONS, have_git
from phi3scaffold.project.errors import ScaffoldError

# The author where the user has no name yet.
NOBODY = {"user.name": "phi3scaffold", "user.email": "phi3scaffold@localhost"}


def run(
    folder: Path, *arguments: str, stdin: bytes | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run `git ARGUMENTS` in `folder`, without the user's hooks; return the result."""
    variables = {key: value for key, value in os.environ.items() if key not in GIT_LOCATIONS}
    return subprocess.run(
        ["git", "-c", f"core.hooksPath={os.devnull}", "--literal-pathspecs", *arguments],
        cwd=folder,
        env=variables | {"LC_ALL": "C"},  # its messages are looked at
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        check=False,
    )


def output(folder: Path, *arguments: str, stdin: bytes | None = None) -> bytes:
    """Return what `git ARGUMENTS` prints.

    Raises:
        ScaffoldError: git fails.
        OSError: the disk is full.
    """
    done = run(folder, *arguments, stdin=stdin)
    if done.returncode:
        message = last_line(done)
        if os.strerror(errno.ENOSPC) in message:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
        raise ScaffoldError(f"git {arguments[0]} failed: {message}", where=folder, exit_code=1)
    return done.stdout


def ignores(folder: Path, path: str, *, untracked: bool = False) -> bool:
    """Return whether git ignores `path`, which it never does where it tracks files there.

    Args:
        untracked: look at the patterns alone.
    """
    # It takes no literal path, and says so by failing.
    words = ["--no-literal-pathspecs", "check-ignore", "-q"]
    words += ["--no-index"] if untracked else []
    return run(folder, *words, "--", path).returncode == 0


def last_line(done: subprocess.CompletedProcess[bytes]) -> str:
    """Return the gist of why git failed."""
    lines = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
    return next((line for line in lines if line.startswith(("fatal:", "error:"))), "no message")


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
    inside = run(above, "rev-parse", "--is-inside-work-tree").returncode == 0
    if inside and not ignores(above, str(destination)):
        return "the folder is already inside a git repository, so it gets none of its own"
    options = ["-c", "commit.gpgsign=false"]  # signing is for the user's own commits
    for key, value in NOBODY.items():
        if run(folder, "config", "--get", key).returncode:
            options += ["-c", f"{key}={value}"]
    try:
        output(folder, "init", "-q", "-b", "main")
        output(folder, "add", "-A")
        message = "Generate the project with phi3scaffold new"
        output(folder, *options, "commit", "-q", "-m", message)
    except ScaffoldError as error:
        raise ScaffoldError(
            f"git could not make the first commit: {error.what.partition(': ')[2]}",
            fix="see git's message, or use --no-git",
        ) from error
    return None
