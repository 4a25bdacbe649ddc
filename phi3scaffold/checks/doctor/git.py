"""git is installed, new enough, and knows your name.

`phi3scaffold new` makes the project's first commit, and `phi3scaffold update` merges a newer
template into the project without losing your edits. Both need git 2.28 or later. Your own commits
need a name and an address.

To fix it: install git (git-scm.com); `git config --global user.name "..."`, and `user.email`.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator

from phi3scaffold.pipeline import machine
from phi3scaffold.project.findings import Finding
from phi3scaffold.targets.doctor_context import DoctorContext

ID = "D16-git"
OLDEST = (2, 28)  # git init -b


def check(context: DoctorContext) -> Iterator[Finding]:
    if shutil.which("git") is None:
        message = "Not installed: no history, and `phi3scaffold update` cannot merge"
        yield Finding(ID, "warning", message, fix="install it: git-scm.com")
        return
    match = re.search(r"(\d+)\.(\d+)[.\d]*", machine.ask("git", "--version") or "")
    if match is None:
        yield Finding(ID, "warning", "It does not start", fix="git --version says why")
        return
    if (int(match[1]), int(match[2])) < OLDEST:
        message = f"git {match[0]} is too old: `phi3scaffold new` needs 2.28"
        yield Finding(ID, "warning", message, fix="install a newer one: git-scm.com")
        return
    keys = ("user.name", "user.email")
    unset = [key for key in keys if not _git(context, "config", "--get", key)]
    if unset:
        fix = "; ".join(f'git config --global {key} "..."' for key in unset)
        yield Finding(ID, "note", f"git {match[0]}; it does not know your {unset[0][5:]}", fix=fix)
    elif context.project is not None and not _git(context, "rev-parse", "--is-inside-work-tree"):
        message = f"git {match[0]}; this project is in no repository, so `update` cannot merge"
        yield Finding(ID, "note", message, where=str(context.folder), fix="git init && git add -A")
    else:
        yield Finding(ID, "ok", f"git {match[0]}")


def _git(context: DoctorContext, *words: str) -> str:
    return (machine.ask("git", "-C", str(context.folder), *words) or "").strip()
