"""Random edits, deletions and renames of any file, over three releases: no edit is lost.

PHI3SCAFFOLD_EXAMPLES=500 tries more of them, and other ones each time.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from phi3scaffold.generator import update
from tests.support.releases import MOVED, Release, commit, git, installed, make, snapshot

MORE = os.environ.get("PHI3SCAFFOLD_EXAMPLES")
ANSWERS = ".copier-answers.yml"
EDITS = ("append", "prepend", "insert", "replace", "rewrite", "crlf", "delete", "rename", "program")
# Without them it is no project, or none that knows where it comes from (see test_preconditions.py).
NEEDED = {ANSWERS: ("append",), "project.yaml": EDITS[:6]}


class Edit(NamedTuple):
    """What is done to one file; `where` between 0 and 1 is a place in it."""

    what: str
    where: float


def edits_of(paths: list[str]) -> st.SearchStrategy[dict[str, Edit]]:
    def allowed(path: str) -> tuple[str, ...]:
        # A wheel is named by its content: one of that name with another content is no wheel.
        return ("delete", "rename") if path.endswith(".whl") else NEEDED.get(path, EDITS)

    one = {path: st.builds(Edit, st.sampled_from(allowed(path)), st.floats(0, 1)) for path in paths}
    chosen = st.lists(st.sampled_from(paths), min_size=1, max_size=12, unique=True)
    return chosen.flatmap(lambda names: st.fixed_dictionaries({name: one[name] for name in names}))


class Written(NamedTuple):
    """What has to be found afterwards.

    Attributes:
        lines: those that are new; None: the file is gone.
        whole: the content of a file that was renamed.
    """

    lines: list[bytes] | None
    whole: bytes | None = None


def apply(project: Path, edits: dict[str, Edit], mark: str) -> dict[str, Written]:
    """Do the edits. Returns path -> what was written there."""
    written = {}
    for number, (path, edit) in enumerate(edits.items()):
        file = project / path
        if not file.is_file():
            continue
        name = f"{mark}-{number}"
        new = [f"{name}-a: the user's own", f"{name}-b: the user's own"]
        if path == ANSWERS:
            new = [f"# {line}" for line in new]
        mine = [line.encode() for line in new]
        lines = file.read_bytes().splitlines()
        place = int(edit.where * len(lines))
        if edit.what == "delete":
            file.unlink()
            written[path] = Written(None)
            continue
        if edit.what == "rename":
            renamed = file.with_name(f"{name}-{file.name}")
            file.rename(renamed)
            written[path] = Written(None)
            new_path = renamed.relative_to(project).as_posix()
            written[new_path] = Written([], renamed.read_bytes())
            continue
        if edit.what == "program":
            file.chmod(0o755)
            continue
        lines = {
            "append": lines + mine,
            "prepend": mine + lines,
            "insert": lines[:place] + mine + lines[place:],
            "replace": lines[:place] + mine + lines[place + 2 :],
            "rewrite": mine * 3,
            "crlf": lines + mine,
        }[edit.what]
        end = b"\r\n" if edit.what == "crlf" else b"\n"
        file.write_bytes(b"".join(line + end for line in lines))
        written[path] = Written(mine)
    return written


PACKAGES = {"setup/constraints.txt", "setup/requirements.txt", "setup/requirements.lock"}
GONE = ("delete", "rename")


def check(project: Path, written: dict[str, Written], found: update.UpdatePlan) -> None:
    """Each new line is in its file, at the place that the update says it has moved to."""
    moved = {change.source: change.path for change in found.changes if change.source}
    merged = {change.path for change in found.changes if change.fate != "kept"}
    for path, (lines, whole) in written.items():
        file = project / moved.get(path, path)
        if lines is None:
            assert not os.path.lexists(file), f"{path} has come back"
            continue
        assert file.is_file(), f"{path} is gone"
        now = file.read_bytes()
        assert set(lines) <= set(now.splitlines()), f"{path} has lost {lines}"
        assert whole in (None, now) or path in merged, f"{path} is not what it was"
    for change in found.of("conflict"):
        text = (project / change.path).read_bytes()
        assert b"<<<<<<< yours" in text or "not text" in change.why


def resolve(project: Path) -> None:
    """Commit; where a file that is read has markers, without them: both sides stay."""
    for path in (ANSWERS, "project.yaml"):
        lines = (project / path).read_bytes().splitlines(keepends=True)
        markers = (b"<<<<<<<", b"=======", b">>>>>>>")
        (project / path).write_bytes(b"".join(x for x in lines if not x.startswith(markers)))
    commit(project, "resolved")


def test_no_edit_is_lost(first: Path, made: dict[str, Release]) -> None:
    paths = git(first, "ls-files").splitlines()
    assert len(paths) > 25
    assert set(MOVED) < set(paths)
    fresh = make(made["0.3.0"], Path(tempfile.mkdtemp()) / "proj")
    newest = {k: v for k, v in snapshot(fresh).items() if v[0] == "file"}
    later = [*newest, *(path for both in MOVED.values() for path in both)]

    @settings(
        max_examples=int(MORE or 20),
        derandomize=not MORE,
        database=None,
        phases=[Phase.generate],  # making a failure smaller takes many minutes
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(edits_of(paths), edits_of(sorted(set(later))))
    def follow(edits: dict[str, Edit], more: dict[str, Edit]) -> None:
        if any(path.endswith(".whl") for path in [*edits, *more]):
            # Without the old wheel nobody knows whether the file was there: it is made again.
            edits, more = (
                {k: v for k, v in one.items() if k not in PACKAGES or v.what not in GONE}
                for one in (edits, more)
            )
        with tempfile.TemporaryDirectory() as scratch:
            project = Path(shutil.copytree(first, Path(scratch) / "proj", symlinks=True))
            written = apply(project, edits, "edit-one")
            commit(project)
            before, index = snapshot(project), git(project, "ls-files", "--stage")
            with installed(made["0.2.0"]):
                found = update.update(project, {})
                check(project, written, found)
                for change in found.changes:
                    event(change.fate)
                if len(edits) % 3 == 0:
                    assert update.abort(project) is None
                    assert snapshot(project) == before
                    assert git(project, "ls-files", "--stage") == index
                    assert update.update(project, {}) == found
            moved = {c.source: c.path for c in found.changes if c.source}
            resolve(project)
            written = {
                moved.get(path, path): one._replace(
                    whole=one.whole and (project / path).read_bytes()
                )
                for path, one in written.items()
            }
            again = {path: edit for path, edit in more.items() if path not in written}
            written |= apply(project, again, "edit-two")
            commit(project)
            with installed(made["0.3.0"]):
                found = update.update(project, {})
                check(project, written, found)
                resolve(project)
                assert not update.plan(project, {}).writes
            # What nobody has touched is as in a new project.
            touched = set(edits) | set(more) | set(written) | {"datasets/dataset.yaml"}
            touched |= {moved[path] for path in edits if path in moved}
            if any(path.endswith(".whl") for path in touched):  # then they may be in conflict
                touched |= PACKAGES
            for path, there in newest.items():
                if path not in touched and path not in _moved_from(touched):
                    assert snapshot(project).get(path) == there, path

    follow()


def _moved_from(paths: set[str]) -> set[str]:
    """Where files that were at `paths` are in 0.3.0."""
    return {last for old, (middle, last) in MOVED.items() if {old, middle} & paths}
