"""What an update needs: one message each, with the remedy, and nothing is touched."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from phi3scaffold.generator import update
from phi3scaffold.project.errors import ScaffoldError
from tests.support.releases import Release, commit, edit, git, installed, snapshot

Releases = dict[str, Release]
ANSWERS = ".copier-answers.yml"


def no_git(project: Path) -> None:
    shutil.rmtree(project / ".git")


def never_committed(project: Path) -> None:
    shutil.rmtree(project / ".git")
    git(project, "init", "-q")


def merging(project: Path) -> None:
    head = git(project, "rev-parse", "HEAD")
    (project / ".git" / "MERGE_HEAD").write_text(head)


def answers(change: Callable[[str], str]) -> Callable[[Path], None]:
    def change_it(project: Path) -> None:
        edit(project, ANSWERS, change)
        commit(project)

    return change_it


def deleted(project: Path) -> None:
    (project / ANSWERS).unlink()
    commit(project)


def newer_wheel(project: Path) -> None:
    (wheel,) = (project / "setup").glob("*.whl")
    wheel.rename(wheel.with_name("phi3scaffold-7.0.0+0123456789-py3-none-any.whl"))
    commit(project)


WRONG = {
    "not in git": (no_git, "not in git", "git init"),
    "never committed": (never_committed, "never been committed", "git commit"),
    "edited": (lambda p: edit(p, "Makefile", str.upper), "not committed: Makefile", "git stash"),
    "staged": (
        lambda p: (edit(p, "README.md", str.upper), git(p, "add", ".")),
        "not committed: README.md",
        "git stash",
    ),
    "deleted": (lambda p: (p / "README.md").unlink(), "not committed: README.md", "git stash"),
    "in a merge": (merging, "in the middle of a merge", "git merge --abort"),
    "no answers": (deleted, "is missing", "git checkout COMMIT -- .copier-answers.yml"),
    "answers are no YAML": (answers(lambda t: t + "a: [\n"), "Not valid YAML", "correct that line"),
    "no version": (answers(lambda t: t.replace("_commit:", "#")), "which version", "git log"),
    "another template": (
        answers(lambda t: t.replace("phi3scaffold://", "https://")),
        "which version of the template",
        "git log",
    ),
    "an unknown version": (
        answers(lambda t: t.replace("v0.1.0", "v0.1.7")),
        "does not know the template's version v0.1.7",
        "newer",
    ),
    "newer": (answers(lambda t: t.replace("v0.1.0", "v9.0.0")), "9.0.0, newer than", "update phi"),
    "a newer wheel": (newer_wheel, "7.0.0, newer than this installation's 0.2.0", "update phi"),
    "not whole": (answers(lambda t: t.replace("algo: lora\n", "")), "lacks algo", "git log"),
    "an unknown answer": (answers(lambda t: t.replace("algo: lora", "algo: x")), "'x'", "git log"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_refused(name: str, project: Path, made: Releases) -> None:
    spoil, says, remedy = WRONG[name]
    spoil(project)
    before = snapshot(project)
    for act in (update.update, update.plan):
        with installed(made["0.2.0"]), pytest.raises(ScaffoldError) as caught:
            act(project, {})
        assert re.search(re.escape(says), str(caught.value)), caught.value
        assert remedy in str(caught.value)
        assert caught.value.exit_code == 2
        assert snapshot(project) == before


def test_git_is_missing(project: Path, made: Releases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with installed(made["0.2.0"]), pytest.raises(ScaffoldError, match="git is not installed"):
        update.update(project, {})


def test_a_damaged_wheel_is_no_obstacle(project: Path, made: Releases) -> None:
    (wheel,) = (project / "setup").glob("*.whl")
    wheel.write_bytes(wheel.read_bytes()[:1000])
    commit(project)
    with installed(made["0.2.0"]):
        update.update(project, {})
    assert [path.name[:19] for path in (project / "setup").glob("*.whl")] == ["phi3scaffold-0.2.0+"]


def test_an_answer_whose_choice_is_gone(made: Releases, first: Path, tmp_path: Path) -> None:
    """0.3.0 has no recipe `fast`: the message says how to choose again."""
    project = Path(shutil.copytree(first, tmp_path / "proj", symlinks=True))
    with installed(made["0.1.0"]):
        update.update(project, {"recipe": "fast"})
    commit(project)
    with installed(made["0.3.0"]):
        with pytest.raises(ScaffoldError) as caught:
            update.update(project, {})
        assert "'fast'" in caught.value.what
        assert "update --set recipe=VALUE, one of: default, quick, best" in str(caught.value.fix)
        update.update(project, {"recipe": "quick"})
    assert "recipe: quick" in (project / ANSWERS).read_text()
