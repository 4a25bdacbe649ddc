"""Three trees become one: what the project was made of, what it is, what it would be made as now.

Copier renders both ends, git merges the lines. Copier's own update is not used: tried on 9.19.1, it
removes an edited file that the template no longer has, does not follow a file that was renamed,
and stops half-way where a folder became a link.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal

from phi3scaffold.generator import git
from phi3scaffold.generator.update.trees import Tree, TreeEntry, blocked, read_all
from phi3scaffold.project.errors import ScaffoldError

Fate = Literal["added", "changed", "merged", "conflict", "removed", "moved", "kept"]
SIMILAR = "50%"  # what git takes for a renamed file by default
LARGEST = 1_000_000  # bytes; no file of the template is nearly as large


@dataclass(frozen=True)
class FileUpdate:
    """What becomes of one path, relative to the project.

    Attributes:
        fate: "kept" and only that leaves the disk as it is.
        after: what will lie there; None: nothing.
        why: for people, where the fate does not say it all.
        source: where the file lay before, if it moves.
        sides: of a conflict: as made, the user's, as made now; None where a side has none.
    """

    path: str
    fate: Fate
    after: TreeEntry | None = None
    why: str = ""
    source: str | None = None
    sides: tuple[TreeEntry | None, TreeEntry | None, TreeEntry | None] | None = None


def three_way(
    root: Path,
    base: Tree,
    theirs: Tree,
    *,
    moves: Iterable[tuple[str, str]],
    owned: Iterable[str],
    names: tuple[str, str],
    rewrite: Callable[[str, TreeEntry], TreeEntry] = lambda _path, entry: entry,
) -> list[FileUpdate]:
    """Decide what becomes of every path of the template in the project at `root`.

    Args:
        base: what the project was made of.
        theirs: what it would be made as now.
        moves: (old path, new path) of what the template has moved meanwhile, in order.
        owned: patterns of files that are the user's once they exist: only `rewrite` changes them.
        names: of the versions of `base` and `theirs`, beside a conflict's markers.
        rewrite: brings a text of `base` or of the project to today's keys, by path.

    Returns:
        The changes by path; what stays as it is and is in no doubt is left out.
    """
    base, theirs = dict(base), dict(theirs)
    ours = read_all(root, {*base, *theirs})
    sources = _follow_moves(root, base, ours, theirs, moves)
    renamed = _follow_renames(root, base, ours, theirs)
    changes = []
    for path in sorted({*base, *theirs}):
        mine = ours.get(path)
        if mine is not None and any(fnmatch(path, pattern) for pattern in owned):
            if rewrite(path, mine) != mine:
                changes.append(FileUpdate(path, "changed", rewrite(path, mine)))
            continue
        before, now = base.get(path), theirs.get(path)
        if mine is not None:
            before = rewrite(path, before) if before else None
            mine = rewrite(path, mine)
            if mine.is_text and mine.is_crlf:
                before, now = before and before.as_crlf(), now and now.as_crlf()
        change = _one(root, path, before, mine, now, names)
        if change and path in renamed:
            change = replace(change, why=f"you renamed {renamed[path]}")
        if path in sources and mine is not None:
            change = change or FileUpdate(path, "moved", mine)
            change = replace(change, source=sources[path])
        elif change is None and mine is not None and mine != ours[path]:
            change = FileUpdate(path, "changed" if mine == before else "merged", mine)  # its keys
        if change:
            changes.append(change)
    return changes


def _one(
    root: Path,
    path: str,
    base: TreeEntry | None,
    mine: TreeEntry | None,
    now: TreeEntry | None,
    names: tuple[str, str],
) -> FileUpdate | None:
    if base == now or mine == now:
        return None
    if mine is None:
        if now is None:
            return None
        if blocked(root, path):
            return FileUpdate(path, "kept", why="something else is in its place: not written")
        if base is None:
            return FileUpdate(path, "added", now)
        return FileUpdate(path, "kept", why="you removed it; it has changed, and stays removed")
    if now is None:
        if mine == base:
            return FileUpdate(path, "removed")
        return FileUpdate(path, "kept", why="with your edits; the template no longer has it")
    if mine == base:
        return FileUpdate(path, "changed", now)
    sides = (base, mine, now)
    if not all(side is None or side.is_text for side in sides):
        why = "not text: yours is in place; `git checkout --theirs` takes the other"
        return FileUpdate(path, "conflict", mine, why, sides=sides)
    text, clean = _merge_lines(root, base.data if base else b"", mine.data, now.data, names)
    kind = now.kind if base and base.kind != now.kind else mine.kind
    merged = TreeEntry(text, kind)
    if not clean:
        return FileUpdate(path, "conflict", merged, sides=sides)
    return None if merged == mine else FileUpdate(path, "merged", merged)


def _merge_lines(
    root: Path, base: bytes, mine: bytes, now: bytes, names: tuple[str, str]
) -> tuple[bytes, bool]:
    """Merge by `git merge-file`, which honours the user's merge.conflictStyle."""
    with tempfile.TemporaryDirectory(prefix="phi3scaffold-") as scratch:
        files = []
        for name, content in (("yours", mine), ("base", base), ("theirs", now)):
            files.append(Path(scratch) / name)
            files[-1].write_bytes(content)
        labels = [word for name in ("yours", *names) for word in ("-L", name)]
        done = git.run(root, "merge-file", "-p", *labels, *map(str, files))
    if not 0 <= done.returncode <= 127:
        raise ScaffoldError(f"git merge-file failed: {git.last_line(done)}", exit_code=1)
    return done.stdout, done.returncode == 0


def _follow_moves(
    root: Path, base: Tree, ours: Tree, theirs: Tree, moves: Iterable[tuple[str, str]]
) -> dict[str, str]:
    """Rename in `base` and `ours` what the template has moved. Returns new path -> path on disk.

    Where the user has something at the new place already, nothing is moved.
    """
    on_disk: dict[str, str] = {}
    for old, new in moves:
        free = new in ours or not blocked(root, new)
        if old not in base or old in theirs or new in base or new in ours or not free:
            continue
        base[new] = base.pop(old)
        if old in ours:
            ours[new] = ours.pop(old)
            on_disk[new] = on_disk.pop(old, old)
    return on_disk


def _follow_renames(root: Path, base: Tree, ours: Tree, theirs: Tree) -> dict[str, str]:
    """Rename in `base` and `theirs` what the user has renamed. Returns new path -> old path.

    Only files that the template has changed are looked for; the others need nothing.
    """
    gone = [p for p in base if p not in ours and p in theirs and theirs[p] != base[p]]
    if not gone:
        return {}
    sizes = [len(base[path].data) for path in gone]
    listed = git.output(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    own = {name.decode("utf-8", "surrogateescape") for name in listed.split(b"\0") if name}
    near = [
        path
        for path in sorted(own - {*base, *theirs})
        if (root / path).is_file() and (root / path).stat().st_size < min(LARGEST, 3 * max(sizes))
    ]
    candidates = read_all(root, near)
    paths = list(candidates)
    with tempfile.TemporaryDirectory(prefix="phi3scaffold-") as scratch:
        # No name is on both sides: git would compare those with each other.
        sides = {"old": [base[path] for path in gone], "new": list(candidates.values())}
        for side, entries in sides.items():
            (Path(scratch) / side).mkdir()
            for number, entry in enumerate(entries):
                (Path(scratch) / side / f"{side}{number}").write_bytes(entry.data)
        listing = git.run(
            Path(scratch), "diff", "--no-index", "--no-ext-diff", "--no-textconv", "--name-status",
            "-z", f"-M{SIMILAR}", "--diff-filter=R", "old", "new",
        ).stdout.decode()  # fmt: skip
    words = listing.split("\0")[:-1]
    renamed = {}
    for old, new in zip(words[1::3], words[2::3], strict=True):
        before, after = gone[int(old[len("old/old") :])], paths[int(new[len("new/new") :])]
        base[after], theirs[after] = base.pop(before), theirs.pop(before)
        ours[after] = candidates[after]
        renamed[after] = before
    return renamed
