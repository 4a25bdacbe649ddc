"""Run git on a project: the one way in which git is started on files that may be somebody else's.

A repository's own configuration can name programs that git then starts: a file watcher, filters,
hooks, diffs, credential helpers. None of these is started here; what the user's own configuration
names (git-lfs, say) is. There is no pathspec magic, and messages are in English.
"""

from __future__ import annotations

import errno
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from phi3scaffold.generator.render import GIT_LOCATIONS, have_git
from phi3scaffold.project.errors import ScaffoldError

# The author where the user has no name yet.
NOBODY = {"user.name": "phi3scaffold", "user.email": "phi3scaffold@localhost"}


# What a repository's configuration may name, and with what it is replaced; filters: see below.
PROGRAMS = {
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.sshCommand": "false",
    "core.askPass": "",
    "core.gitProxy": "",
    "core.editor": "false",
    "core.pager": "cat",
    "credential.helper": "",
    "diff.external": "",
    "gpg.program": "false",
    "submodule.recurse": "false",
    "commit.gpgSign": "false",
}
FILTER = re.compile(r"filter\.(?P<name>.+)\.(?:clean|smudge|process|required)")
DIFF = re.compile(r"(?P<name>(?:diff|merge)\..+)\.(?:command|textconv|driver)", re.I)


def own_keys(folder: Path) -> list[str]:
    """Return the keys that the repository's own configuration sets, with what it includes."""
    words = ["config", "--list", "--name-only", "--show-scope", "-z", "--includes"]
    found = os.fsdecode(_start(folder, words).stdout).split("\0")
    scopes = zip(found[::2], found[1::2], strict=False)
    return [key for scope, key in scopes if scope in ("local", "worktree")]


def own_filters(folder: Path) -> list[str]:
    """Return the names of the filters that the repository's own configuration defines."""
    matches = (FILTER.fullmatch(key) for key in own_keys(folder))
    return sorted({match["name"] for match in matches if match})


def _harmless(folder: Path) -> list[str]:
    """Return the options that keep git from what the repository's own configuration can start.

    Raises:
        ScaffoldError: it has a key that no option can name.
    """
    keys = own_keys(folder)
    odd = next((key for key in keys if "=" in key), None)
    if odd:  # an option could not name it
        raise ScaffoldError(
            f"The repository's configuration has a key with an equals sign, {odd!r}.",
            where=folder,
            fix="remove it: git config --edit",
        )
    settings = {"core.hooksPath": os.devnull}
    lower = {key.lower() for key in keys}
    settings |= {key: value for key, value in PROGRAMS.items() if key.lower() in lower}
    for key in keys:
        if match := FILTER.fullmatch(key):
            names = {"clean": "", "smudge": "", "process": "", "required": "false"}
            settings |= {f"filter.{match['name']}.{one}": value for one, value in names.items()}
        elif DIFF.fullmatch(key) or (key.startswith("credential.") and key.endswith(".helper")):
            settings[key] = ""
    return [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]


def run(
    folder: Path, *arguments: str, stdin: bytes | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run `git ARGUMENTS` in `folder`, without anything that its repository names; return it."""
    return _start(folder, [*_harmless(folder), "--literal-pathspecs", *arguments], stdin)


def _start(
    folder: Path, words: Sequence[str], stdin: bytes | None = None
) -> subprocess.CompletedProcess[bytes]:
    variables = {key: value for key, value in os.environ.items() if key not in GIT_LOCATIONS}
    return subprocess.run(
        ["git", *words],
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
