"""Projects in unusual places and states: inside a larger repository, CRLF, links, late git."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from phi3scaffold import generator
from phi3scaffold.generator import update
from tests.support.releases import (
    ANSWERS,
    Release,
    commit,
    edit,
    git,
    installed,
    make,
    snapshot,
)

Releases = dict[str, Release]


@pytest.fixture
def inside(first: Path, tmp_path: Path) -> Path:
    """The project as a folder of somebody's larger repository, which has work in progress."""
    top = tmp_path / "monorepo"
    project = Path(shutil.copytree(first, top / "teams" / "ünser team" / "proj"))
    shutil.rmtree(project / ".git")
    git(tmp_path, "init", "-q", str(top))
    (top / "README.md").write_text("the large one\n")
    (top / "Makefile").write_text("all:\n")
    commit(top)
    (top / "README.md").write_text("edited, not staged\n")
    (top / "Makefile").write_text("staged:\n")
    git(top, "add", "Makefile")
    (top / "untracked.txt").write_text("x\n")
    return project


def test_inside_a_larger_repository(inside: Path, made: Releases) -> None:
    top = inside.parents[2]
    edit(inside, "README.md", lambda text: text.replace("## Use it", "## Use mine"))
    edit(inside, "Makefile", lambda text: text + "# mine\n")
    git(inside, "commit", "-q", "-m", "mine", "--", ".")
    before, index, status = snapshot(top), git(top, "ls-files", "-s"), git(top, "status", "-s")
    with installed(made["0.2.0"]):
        found = update.update(inside, {})
        assert [change.path for change in found.of("conflict")] == ["README.md"]
        unmerged = git(top, "diff", "--name-only", "--diff-filter=U", "-z")
        assert unmerged == "teams/ünser team/proj/README.md\0"
        outside = {k: v for k, v in snapshot(top).items() if not k.startswith("teams")}
        assert outside == {k: v for k, v in before.items() if not k.startswith("teams")}
        assert git(top, "show", ":Makefile") == "staged:\n"
        update.abort(inside)
        assert (snapshot(top), git(top, "ls-files", "-s"), git(top, "status", "-s")) == (
            before,
            index,
            status,
        )
        update.update(inside, {})
        git(inside, "add", "-A", ".")
        git(top, "commit", "-q", "-m", "updated")
        assert not update.plan(inside, {}).writes


def test_two_projects_of_one_repository(first: Path, made: Releases, tmp_path: Path) -> None:
    """Each has its own update, and its own abort."""
    git(tmp_path, "init", "-q", ".")
    one, two = (Path(shutil.copytree(first, tmp_path / name)) for name in ("one", "two"))
    for project in (one, two):
        shutil.rmtree(project / ".git")
    commit(tmp_path)
    before = snapshot(one)
    with installed(made["0.2.0"]):
        update.update(one, {})
        update.update(two, {})
        after = snapshot(two)
        update.abort(one)
    assert snapshot(one) == before
    assert snapshot(two) == after


def test_made_without_git(made: Releases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository came later."""
    with monkeypatch.context() as patch, installed(made["0.1.0"]):
        for module in ("render", "git"):
            patch.setattr(f"phi3scaffold.generator.{module}.have_git", lambda: False)
        project = generator.new(tmp_path / "proj", ANSWERS)
    git(project, "init", "-q")
    edit(project, "Makefile", lambda text: text + "# mine\n")
    commit(project)
    with installed(made["0.2.0"]):
        update.update(project, {})
    text = (project / "Makefile").read_text()
    assert "## list all targets" in text
    assert text.endswith("# mine\n")


@pytest.mark.parametrize("how", ["committed", "autocrlf"])
def test_crlf(how: str, project: Path, made: Releases) -> None:
    """Windows' line ends stay, and are no edit: neither in git nor only on disk."""
    (project / ".gitattributes").unlink()
    commit(project)  # before anything else: git also looks for it in the index
    paths = ("Makefile", "README.md", "project.yaml", "inferences/requirements-adapter.txt")
    for path in paths:
        data = (project / path).read_bytes()
        if path == "README.md":
            data += b"mine\n"
        (project / path).write_bytes(data.replace(b"\n", b"\r\n"))
    if how == "autocrlf":
        git(project, "config", "core.autocrlf", "true")
    commit(project)
    with installed(made["0.2.0"]):
        found = update.update(project, {})
    assert not found.of("conflict")
    for path in ("Makefile", "README.md", "project.yaml", "inferences/needs/adapter.txt"):
        data = (project / path).read_bytes()
        assert data.count(b"\n") == data.count(b"\r\n") > 0, path
    assert b"## list all targets" in (project / "Makefile").read_bytes()
    assert (project / "README.md").read_bytes().endswith(b"mine\r\n")
    assert git(project, "diff", "--name-only") == ""
    staged = git(project, "diff", "--cached", "--numstat", "--", "Makefile").split()
    assert staged[:2] == ["1", "1"]  # one line


def test_a_folder_became_a_link(project: Path, made: Releases, tmp_path: Path) -> None:
    """Nothing is written through it."""
    elsewhere = tmp_path / "elsewhere"
    shutil.move(project / "inferences", elsewhere)
    (project / "inferences").symlink_to(elsewhere)
    commit(project)
    before = snapshot(elsewhere)
    with installed(made["0.2.0"]):
        found = update.update(project, {})
        assert "inferences/onnx.py" in {change.path for change in found.of("kept")}
        assert snapshot(elsewhere) == before
        assert (project / "inferences").is_symlink()
        assert "## list all targets" in (project / "Makefile").read_text()
        update.abort(project)
    assert snapshot(elsewhere) == before


def test_a_file_became_a_link_or_a_folder(project: Path, made: Releases) -> None:
    (project / "README.md").rename(project / "LIESMICH.md")
    (project / "README.md").symlink_to("LIESMICH.md")
    (project / "docs").write_text("a file where 0.2.0 has a folder\n")
    commit(project)
    before = snapshot(project)
    with installed(made["0.2.0"]):
        found = {change.path: change for change in update.update(project, {}).changes}
        assert found["README.md"].fate == "conflict"
        assert (project / "README.md").is_symlink()
        assert found["docs/TIPS.md"].fate == "kept"
        assert "in its place" in found["docs/TIPS.md"].why
        assert (project / "docs").is_file()
        update.abort(project)
    assert snapshot(project) == before


@pytest.mark.skipif(os.name == "nt", reason="there are no such bits on Windows")
def test_mode_bits(project: Path, made: Releases) -> None:
    """What the user has made executable, or private, is so afterwards."""
    (project / "inferences" / "onnx.py").chmod(0o755)
    (project / "project.yaml").chmod(0o600)
    commit(project)
    with installed(made["0.2.0"]):
        update.update(project, {})
    assert (project / "inferences" / "onnx.py").stat().st_mode & 0o777 == 0o755
    assert (project / "project.yaml").stat().st_mode & 0o777 == 0o600
    assert "100755" in git(project, "ls-files", "-s", "inferences/onnx.py")


def test_a_worktree(project: Path, made: Releases, tmp_path: Path) -> None:
    """git's folder is not in the project; and hooks of the user's do not run."""
    hook = project / ".git" / "hooks" / "post-index-change"
    hook.write_text(f"#!/bin/sh\ntouch '{tmp_path}/ran'\n")
    hook.chmod(0o755)
    (tmp_path / "ran").unlink(missing_ok=True)
    git(project, "worktree", "add", "-q", str(tmp_path / "tree"))
    (tmp_path / "ran").unlink(missing_ok=True)
    with installed(made["0.2.0"]):
        update.update(tmp_path / "tree", {})
        assert not (tmp_path / "ran").exists()
        assert "## list all targets" in (tmp_path / "tree" / "Makefile").read_text()
        assert "## list the targets" in (project / "Makefile").read_text()
        update.abort(tmp_path / "tree")
    status = subprocess.run(
        ["git", "status", "--porcelain"], cwd=tmp_path / "tree", capture_output=True, text=True
    )
    assert status.stdout == ""


def test_tiny(made: Releases, tmp_path: Path) -> None:
    """Its wheel is not in git: it is replaced, put back, and written where a clone has none."""
    project = make(made["0.1.0"], tmp_path / "proj", model="tiny")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(project), str(clone))
    before = snapshot(project)
    with installed(made["0.2.0"]):
        update.update(project, {})
        (wheel,) = (project / "setup").glob("*.whl")
        assert wheel.name.startswith("phi3scaffold-0.2.0+")
        assert "whl" not in git(project, "status", "--porcelain")
        update.abort(project)
        assert snapshot(project) == before
        update.update(clone, {})
    assert [path.name for path in (clone / "setup").glob("*.whl")] == [wheel.name]


def test_gits_folder_on_another_disk(
    project: Path, made: Releases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There a rename fails, and files are copied."""

    def refuse(source: Path, target: Path) -> Path:
        if "phi3scaffold-update" in str(source.parent) and source.parent.name in ("old", "new"):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        return replace(source, target)

    replace = Path.replace
    monkeypatch.setattr(Path, "replace", refuse)
    (project / "inferences" / "onnx.py").chmod(0o755)
    commit(project)
    before = snapshot(project)
    with installed(made["0.2.0"]):
        update.update(project, {})
        assert "## list all targets" in (project / "Makefile").read_text()
        assert git(project, "diff", "--name-only") == ""
        update.abort(project)
    assert snapshot(project) == before
    assert git(project, "status", "--porcelain") == ""
