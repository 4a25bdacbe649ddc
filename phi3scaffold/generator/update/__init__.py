"""Bring a project to this installation's version, and keep what the user did to it.

`update`, `plan` (what it would do), `diff` and `abort` are the whole interface. Nothing is written
before everything has been worked out; then it happens in one guarded step (see journal.py).
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from phi3scaffold.generator import git, template
from phi3scaffold.generator.new import resolve_model
from phi3scaffold.generator.template import ANSWERS
from phi3scaffold.generator.update import preconditions, trees
from phi3scaffold.generator.update.answers import changed_answers, check_changeable
from phi3scaffold.generator.update.journal import Journal
from phi3scaffold.generator.update.merge import FileUpdate, three_way
from phi3scaffold.generator.update.migrations import between
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.settings import TINY
from phi3scaffold.project.yaml_text import load_yaml

__all__ = ["UpdatePlan", "abort", "diff", "plan", "update"]


@dataclass(frozen=True)
class UpdatePlan:
    """What an update does, or did.

    Attributes:
        old, new: the template's versions, without a `v`.
        changes: by path; empty where the project is up to date.
        notes: what is left to the user, in whole sentences.
    """

    root: Path
    old: str
    new: str
    changes: tuple[FileUpdate, ...]
    notes: tuple[str, ...] = ()

    def of(self, fate: str) -> list[FileUpdate]:
        return [change for change in self.changes if change.fate == fate]

    @property
    def writes(self) -> bool:
        """Whether it changes anything on disk."""
        return any(change.fate != "kept" for change in self.changes)


def plan(root: Path, choices: dict[str, str]) -> UpdatePlan:
    """Work out what `update` would do; changes nothing.

    Args:
        choices: answers to change, by the names of copier.yml's questions.

    Raises:
        ScaffoldError: a precondition does not hold, or an answer is refused.
    """
    return _plan(root, choices, write=False)


def update(root: Path, choices: dict[str, str]) -> UpdatePlan:
    """Update the project at `root`, whole or not at all; arguments and errors are those of `plan`.

    Raises:
        OSError: the disk is full, say; everything is as before.
    """
    return _plan(root, choices, write=True)


def abort(root: Path) -> Path | None:
    """Put everything back as it was before an update that is not committed (see Journal.undo).

    Raises:
        ScaffoldError: there is no such update.
    """
    preconditions.check_git(root)
    journal = Journal(root)
    with journal.locked():
        if not journal.exists or (journal.content()["done"] and not preconditions.status(root)):
            journal.discard()
            raise ScaffoldError(
                "There is no update to abort: none was made, or it has been committed.",
                where=root,
                fix="to take a commit back: git log, then git revert COMMIT",
            )
        return journal.undo()


def diff(found: UpdatePlan, *, color: bool) -> str:
    """Return what `found` would change, as git shows it; a file that moves is one, not two."""
    before: trees.Tree = {}
    after: trees.Tree = {}
    for change in found.changes:
        source = change.source or change.path
        entry = trees.read(found.root, source)
        if change.fate != "kept" and entry is not None:
            before[source] = entry
        if change.fate != "kept" and change.after is not None:
            after[change.path] = change.after
    with tempfile.TemporaryDirectory(prefix="phi3scaffold-") as scratch:
        folder = Path(scratch)
        git.output(folder, "init", "-q")
        hashes = []
        for name, tree in (("before", before), ("after", after)):
            (folder / name).mkdir()
            for path, entry in tree.items():
                trees.write(folder / name, path, entry)
            words = ["-c", "core.autocrlf=false", f"--work-tree={folder / name}"]
            git.output(folder, *words, "add", "-A", "-f", ".")
            hashes.append(git.output(folder, "write-tree").decode().strip())
        colored = f"--color={'always' if color else 'never'}"
        plain = ["--no-ext-diff", "--no-textconv", "--src-prefix=a/", "--dst-prefix=b/", "-M"]
        shown = git.output(folder, "diff", *plain, colored, *hashes)
    return shown.decode("utf-8", "replace")


def _plan(root: Path, choices: dict[str, str], *, write: bool) -> UpdatePlan:
    check_changeable(choices)
    preconditions.check_git(root)
    journal = Journal(root)
    with journal.locked():
        preconditions.check_idle(root, journal, mend=write)
        found = _work_out(root, choices)
        if write and found.writes:
            journal.apply(found.changes, {"old": found.old, "new": found.new})
    return found


def _work_out(root: Path, choices: dict[str, str]) -> UpdatePlan:
    preconditions.check_clean(root)
    answers, tag = preconditions.read_answers(root)
    old, new = tag.removeprefix("v"), template.version()
    tables = between(old, new)
    try:
        base = trees.as_made(root, answers, tag)
    except ScaffoldError as error:
        raise preconditions.damaged(root, error.what) from error
    preconditions.check_whole(root, answers, load_yaml(base[ANSWERS].data))
    today = changed_answers(tables.answers(answers), choices)
    if today["model"] == TINY:
        resolve_model(TINY)  # its weights go into the wheel
    changes = three_way(
        root,
        base,
        trees.as_now(root, today, answers["model"]),
        moves=tables.moves,
        owned=template.config()["_skip_if_exists"],
        names=(f"phi3scaffold {old}", f"phi3scaffold {new}"),
        rewrite=tables.rewrite,
    )
    notes = [tables.note(change.path) for change in changes if change.fate == "changed"]
    if today["task"] != answers["task"]:
        notes.append(
            f"datasets/dataset.yaml is yours: give it `task: {today['task']}` and the turns that "
            "go with it."
        )
    filters = git.own_filters(root)
    if filters:
        notes.append(
            f"The repository's own configuration has filters ({', '.join(filters)}), which update "
            "does not run: it compares and writes the files as they are."
        )
    return UpdatePlan(root, old, new, tuple(changes), tuple(filter(None, notes)))
