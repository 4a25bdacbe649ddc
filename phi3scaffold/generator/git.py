"""Run git on a project: no hooks, no pathspec magic, messages in English."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

from phi3scaffold.generator.render import GIT_LOCATIONS
from phi3scaffold.project.errors import ScaffoldError


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


def ignores(folder: Path, path: str) -> bool:
    """Return whether git ignores `path`."""
    # It takes no literal path, and says so by failing.
    words = ["--no-literal-pathspecs", "check-ignore", "-q", "--no-index", "--", path]
    return run(folder, *words).returncode == 0


def last_line(done: subprocess.CompletedProcess[bytes]) -> str:
    """Return the gist of why git failed."""
    lines = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
    return next((line for line in lines if line.startswith(("fatal:", "error:"))), "no message")
