"""What must hold before an update: one message each, with the remedy; nothing is touched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from phi3scaffold import __version__
from phi3scaffold.generator import git, template
from phi3scaffold.generator.bundle import commits, key
from phi3scaffold.generator.render import have_git
from phi3scaffold.generator.template import ANSWERS
from phi3scaffold.generator.update.journal import Journal
from phi3scaffold.generator.update.trees import wheels
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.files import read_yaml

# Left in git's folder while it is in the middle of something.
UNFINISHED = {
    "MERGE_HEAD": "merge",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
}
COMMIT = 'git add -A && git commit -m "..."'


def check_git(root: Path) -> None:
    """Check that git is there, and that the project is committed in a repository."""
    if not have_git():
        raise ScaffoldError(
            "An update needs git, and git is not installed.",
            where=root,
            fix=f"install git; if the project is in no repository yet: git init && {COMMIT}",
        )
    found = git.run(root, "rev-parse", "--is-inside-work-tree")
    if found.returncode and b"not a git repository" not in found.stderr:
        raise ScaffoldError(
            f"git cannot be used here: {git.last_line(found)}",
            where=root,
            fix="see what `git status` says in that folder",
        )
    if found.stdout.strip() != b"true":
        raise ScaffoldError(
            "The project is not in git, so an update could not be undone.",
            where=root,
            fix=f"in that folder: git init && {COMMIT}",
        )
    if git.run(root, "rev-parse", "--verify", "-q", "HEAD").returncode or not git.output(
        root, "ls-files", "--", ANSWERS, "project.yaml"
    ):
        raise ScaffoldError(
            "The project has never been committed, so an update could not be undone.",
            where=root,
            fix=f"in that folder: {COMMIT}",
        )


def check_clean(root: Path) -> None:
    """Refuse uncommitted changes; files that git does not know may lie there."""
    for name, what in UNFINISHED.items():
        path = git.output(root, "rev-parse", "--git-path", name).decode().strip()
        if (root / path).exists():
            raise ScaffoldError(
                f"git is in the middle of a {what}.",
                where=root,
                fix=f"finish it, or: git {what} --abort",
            )
    changed = status(root)
    if changed:
        files = ", ".join(changed[:3]) + (f" and {len(changed) - 3} more" if changed[3:] else "")
        raise ScaffoldError(
            f"There are changes that are not committed: {files}.",
            where=root,
            fix=f"{COMMIT}, or git stash; then update",
        )


def status(root: Path) -> list[str]:
    """Return the project's files that differ from the last commit, in the index or on disk."""
    words = ["status", "--porcelain", "-z", "--untracked-files=no", "--ignore-submodules=dirty"]
    listed = git.output(root, *words, "--no-renames", "--", ".").decode(errors="replace")
    return [line[3:] for line in listed.split("\0") if line]


def check_idle(root: Path, journal: Journal, *, mend: bool) -> None:
    """Refuse to start while an update waits to be committed.

    With `mend` an update that was killed half-way is undone; otherwise that is an error, too.
    """
    if not journal.exists:
        return
    content = journal.content()
    about = content["about"]
    if not content["done"]:
        if not mend:
            raise ScaffoldError(
                f"The update from {about['old']} to {about['new']} was interrupted.",
                where=root,
                fix="phi3scaffold update starts it again; phi3scaffold update --abort undoes it",
            )
        journal.undo()
    elif status(root):
        raise ScaffoldError(
            f"The update from {about['old']} to {about['new']} is not committed yet.",
            where=root,
            fix=f"resolve what is in conflict, then {COMMIT}; or phi3scaffold update --abort",
        )


def read_answers(root: Path) -> tuple[dict[str, Any], str]:
    """Read what the project was generated from: its answers, and the tag of its template.

    Raises:
        ScaffoldError: the file is missing or damaged, or this installation cannot update from it.
    """
    path = root / ANSWERS
    if not path.is_file():
        raise damaged(root, "The file that records what the project was made from is missing.")
    content = read_yaml(path)
    source, tag = content.get("_src_path"), content.get("_commit")
    if source != template.SOURCE or not isinstance(tag, str) or not key(tag):
        raise damaged(
            root,
            f"It does not say which version of the template the project has: `_src_path` must be "
            f"{template.SOURCE}, `_commit` a version such as v{template.version()}.",
        )
    answers = {name: value for name, value in content.items() if not name.startswith("_")}
    newest = f"v{template.version()}"
    if key(tag) > key(newest):
        raise _newer(root, tag, newest)
    if not template.BUNDLE.is_file():
        raise ScaffoldError(
            "The template's bundle is missing from this installation.",
            where=template.BUNDLE,
            fix="install phi3scaffold again",
        )
    if tag not in commits(template.BUNDLE):
        raise ScaffoldError(
            f"This installation does not know the template's version {tag}.",
            where=path,
            fix="install a released phi3scaffold that is newer",
        )
    for wheel in wheels(root):
        version = wheel.name.removeprefix("phi3scaffold-").partition("-")[0].partition("+")[0]
        if key(version) > key(__version__):
            raise _newer(root, version, __version__)
    return answers, tag


def check_whole(root: Path, answers: dict[str, Any], rendered: dict[str, Any]) -> None:
    """Refuse an answers file that lacks an answer its version of the template writes."""
    lacking = [name for name in rendered if name not in answers and not name.startswith("_")]
    if lacking:
        raise damaged(root, f"The answers file is incomplete: it lacks {', '.join(lacking)}.")


def damaged(root: Path, what: str) -> ScaffoldError:
    """Return the error of a wrong answers file."""
    return ScaffoldError(
        what,
        where=root / ANSWERS,
        fix=f"restore it from git: git log -- {ANSWERS}, then git checkout COMMIT -- {ANSWERS}",
    )


def _newer(root: Path, project: str, here: str) -> ScaffoldError:
    return ScaffoldError(
        f"The project has version {project.removeprefix('v')}, newer than this installation's "
        f"{here.removeprefix('v')}.",
        where=root,
        fix="update phi3scaffold itself; a project is never brought back to an older version",
    )
