"""Whatever happens, nothing is lost: undone by hand, killed, a full disk, two at once."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from phi3scaffold.generator import update
from phi3scaffold.generator.update.journal import Journal
from phi3scaffold.project.errors import ScaffoldError
from tests.support.releases import Release, commit, edit, git, installed, snapshot

Releases = dict[str, Release]


@pytest.fixture
def edited(project: Path) -> Path:
    """Edits that merge, that conflict, and files that git does not know."""
    edit(project, "Makefile", lambda text: text + "# mine\n")
    edit(project, "README.md", lambda text: text.replace("## Use it", "## Use mine"))
    edit(project, "inferences/requirements-adapter.txt", lambda text: text + "mine==1\n")
    (project / "inferences" / "onnx.py").chmod(0o755)
    commit(project)
    (project / "notes.txt").write_text("never committed\n")
    (project / "docs").mkdir()
    (project / "docs" / "TIPS.md").write_text("my own tips, never committed\n")
    return project


def state(project: Path) -> tuple[object, ...]:
    """Everything that an abort brings back."""
    return (
        snapshot(project),
        git(project, "ls-files", "--stage"),
        git(project, "status", "--porcelain"),
        git(project, "log", "--format=%H"),
    )


def test_abort(edited: Path, made: Releases) -> None:
    before = state(edited)
    with installed(made["0.2.0"]):
        assert update.update(edited, {}).of("conflict")
        assert state(edited) != before
        assert update.abort(edited) is None
        assert state(edited) == before
        with pytest.raises(ScaffoldError, match="no update to abort"):
            update.abort(edited)
        # and again, the same
        update.update(edited, {})
        update.abort(edited)
        assert state(edited) == before


def test_what_was_done_since_is_kept_aside(edited: Path, made: Releases) -> None:
    """Half of the conflicts resolved, something staged, a file where there was none."""
    before = snapshot(edited)
    with installed(made["0.2.0"]):
        update.update(edited, {})
        edit(edited, "README.md", lambda text: "resolved\n" + text)
        git(edited, "add", "README.md")
        (edited / "later.txt").write_text("later\n")
        git(edited, "add", "later.txt")
        kept = update.abort(edited)
    assert kept is not None
    assert (kept / "README.md").read_text().startswith("resolved\n")
    now = snapshot(edited)
    assert now.pop("later.txt") == ("file", b"later\n", 0o644)
    assert now == before
    assert git(edited, "status", "--porcelain").splitlines()[0] == "A  later.txt"


def test_after_the_commit_there_is_nothing_to_abort(edited: Path, made: Releases) -> None:
    with installed(made["0.2.0"]):
        update.update(edited, {})
        with pytest.raises(ScaffoldError, match=r"0\.1\.0 to 0\.2\.0 is not committed") as caught:
            update.update(edited, {})
        assert "--abort" in str(caught.value.fix)
        commit(edited)
        with pytest.raises(ScaffoldError, match="it has been committed"):
            update.abort(edited)
        assert not update.plan(edited, {}).writes


def test_undone_by_git(edited: Path, made: Releases) -> None:
    """`git reset --hard` ends an update, too; edits that come after are safe."""
    with installed(made["0.2.0"]):
        update.update(edited, {})
        git(edited, "reset", "-q", "--hard")
        edit(edited, "Makefile", lambda text: text + "# later\n")
        commit(edited)
        update.update(edited, {})
    assert "# later\n" in (edited / "Makefile").read_text()


def test_a_clean_update_is_undone_too(project: Path, made: Releases) -> None:
    before = state(project)
    with installed(made["0.3.0"]):
        assert not update.update(project, {}).of("conflict")
        update.abort(project)
    assert state(project) == before


MOMENTS = {
    "nothing yet": ("_write", 1),
    "the first file": ("_put", 1),
    "in the middle": ("_put", 5),
    "the index": ("_stage", 1),
    "the last": ("_finish", 1),
}


def stop_at(moment: str, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """`error` happens at that moment, once."""
    name, number = MOMENTS[moment]
    real = getattr(Journal, name)
    count = 0

    def failing(*words: object) -> object:
        nonlocal count
        count += 1
        if count == number:
            raise error
        return real(*words)

    monkeypatch.setattr(Journal, name, failing)


ERRORS = [(moment, KeyboardInterrupt()) for moment in MOMENTS]
ERRORS.append(("in the middle", OSError(28, "No space left on device")))


@pytest.mark.parametrize(("moment", "error"), ERRORS)
def test_an_error_undoes_it(
    edited: Path, made: Releases, moment: str, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = state(edited)
    stop_at(moment, monkeypatch, error)
    with installed(made["0.2.0"]), pytest.raises(type(error)):
        update.update(edited, {})
    assert state(edited) == before
    left = [p.name for p in (edited / ".git").iterdir() if "phi3scaffold" in p.name]
    assert left in ([], ["phi3scaffold-update.lock"])


def killed(project: Path, release: Release, moment: str) -> None:
    """Update in a child process that is killed (kill -9) at that moment."""
    child = os.fork()
    if child == 0:
        with pytest.MonkeyPatch.context() as patch, installed(release):
            name, number = MOMENTS[moment]
            real, count = getattr(Journal, name), [0]

            def dying(*words: object) -> object:
                count[0] += 1
                if count[0] == number:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*words)

            patch.setattr(Journal, name, dying)
            update.update(project, {})
        os._exit(3)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("moment", MOMENTS)
def test_killed(edited: Path, made: Releases, moment: str, tmp_path: Path) -> None:
    """`--abort` mends it; so does running it again."""
    before = state(edited)
    killed(edited, made["0.2.0"], moment)
    if moment != "nothing yet":
        again = Path(shutil.copytree(edited, tmp_path / "again", symlinks=True))
        with installed(made["0.2.0"]):
            with pytest.raises(ScaffoldError, match="was interrupted"):
                update.plan(again, {})
            update.update(again, {})
            clean = state(again)
            update.abort(again)
        assert state(again) == before
        with installed(made["0.2.0"]):
            update.abort(edited)
    assert state(edited) == before
    with installed(made["0.2.0"]):
        update.update(edited, {})
    assert moment == "nothing yet" or state(edited) == clean


def test_two_at_once(project: Path, made: Releases) -> None:
    with installed(made["0.2.0"]), Journal(project).locked():
        code = (
            "import sys; from phi3scaffold.generator.update.journal import Journal\n"
            "from pathlib import Path\n"
            "with Journal(Path(sys.argv[1])).locked(): pass\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(project)], capture_output=True, text=True
        )
        assert done.returncode == 1
        assert "is running in this project" in done.stderr


def test_a_full_disk(edited: Path, made: Releases, tmp_path: Path) -> None:
    """The real thing: the project on a small file system, at several sizes of it."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("mounting a tmpfs needs root")
    point = tmp_path / "mounted"
    point.mkdir()
    need = sum(path.stat().st_size for path in edited.rglob("*") if path.is_file())
    refused = 0
    for more in (100_000, 500_000, 900_000, 1_200_000):
        options = f"size={need + more}"
        mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(point)]
        if subprocess.run(mount, capture_output=True).returncode:
            pytest.skip("a tmpfs cannot be mounted here")
        try:
            project = point / "proj"
            try:
                shutil.copytree(edited, project, symlinks=True)
            except shutil.Error:
                continue  # not even room for the project
            before = state(project)
            try:
                with installed(made["0.2.0"]):
                    update.update(project, {})
            except OSError:
                refused += 1
                assert state(project) == before
        finally:
            subprocess.run(["umount", str(point)], capture_output=True)
    assert refused
