"""A project follows the template; what was edited stays."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml

from phi3scaffold.generator import update
from tests.support.releases import (
    ADDED,
    MOVED,
    REMOVED,
    Release,
    commit,
    edit,
    git,
    installed,
    make,
    snapshot,
)

Releases = dict[str, Release]


def fates(found: update.UpdatePlan) -> dict[str, str]:
    return {change.path: change.fate for change in found.changes}


def bring(project: Path, release: Release, **choices: str) -> update.UpdatePlan:
    with installed(release):
        return update.update(project, choices)


def files(project: Path) -> dict[str, bytes]:
    return {path: data for path, (kind, data, _) in snapshot(project).items() if kind == "file"}


def test_untouched_it_becomes_what_new_makes(project: Path, made: Releases, tmp_path: Path) -> None:
    """Step by step and at once; but for dataset.yaml, which is the user's from the first minute."""
    at_once = Path(shutil.copytree(project, tmp_path / "at once"))
    mine = (project / "datasets" / "dataset.yaml").read_bytes()
    for version in ("0.2.0", "0.3.0"):
        found = bring(project, made[version])
        assert not found.of("conflict")
        assert not found.of("kept")
        commit(project)
    bring(at_once, made["0.3.0"])
    fresh = files(make(made["0.3.0"], tmp_path / "proj"))
    assert fresh["datasets/dataset.yaml"] != mine
    for way in (project, at_once):
        assert files(way) == fresh | {"datasets/dataset.yaml": mine}
        assert (way / MOVED["inferences/requirements-adapter.txt"][1]).is_file()
        assert not (way / "inferences" / "needs").exists()
        for path in REMOVED.values():
            assert not (way / path).exists()
        for path in ADDED.values():
            assert (way / path).is_file()
    with installed(made["0.3.0"]):
        assert update.plan(project, {}).changes == ()
    assert git(at_once, "diff", "--name-only") == ""  # all of it is staged
    untracked = git(at_once, "ls-files", "--others", "--exclude-standard")
    assert untracked == ""


def test_edits_are_merged(project: Path, made: Releases) -> None:
    edit(project, "Makefile", lambda text: text + "\nmine:\n\techo mine\n")
    edit(project, "setup/requirements.txt", lambda text: text + "mine==1.0\n")
    edit(project, "setup/constraints.txt", lambda text: text.replace("yarl==1.0.0", "yarl==1.0.1"))
    edit(project, ".copier-answers.yml", lambda text: text + "# mine\n")
    edit(project, "project.yaml", lambda text: text.replace("rows: auto", "rows: 41 # mine"))
    edit(project, "inferences/requirements-adapter.txt", lambda text: text + "mine==1\n")
    edit(project, "datasets/dataset.yaml", lambda text: text + "# mine\n")
    owned = (project / "datasets" / "dataset.yaml").read_bytes()
    commit(project)
    found = bring(project, made["0.2.0"])
    assert not found.of("conflict")
    assert {change.path for change in found.of("merged")} == {
        ".copier-answers.yml",
        "Makefile",
        "inferences/needs/adapter.txt",
        "project.yaml",
        "setup/constraints.txt",
        "setup/requirements.txt",
    }
    text = (project / "Makefile").read_text()
    assert "## list all targets" in text
    assert text.endswith("\techo mine\n")
    requirements = (project / "setup" / "requirements.txt").read_text()
    assert "rich==15.0.2\n" in requirements
    assert requirements.endswith("mine==1.0\n")
    assert (project / "setup" / "constraints.txt").read_text() == (
        "# pins\nattrs==26.2.0\nsix==1.17.0\nyarl==1.0.1\n"
    )
    settings = yaml.safe_load((project / "project.yaml").read_text())
    assert settings["measure"]["rows"] == 41  # the key was renamed, the value is the user's
    assert "evaluate" not in settings
    assert (project / "inferences/needs/adapter.txt").read_text().endswith("mine==1\n")
    assert (project / "datasets" / "dataset.yaml").read_bytes() == owned
    (wheel,) = (project / "setup").glob("*.whl")
    assert wheel.name.startswith("phi3scaffold-0.2.0+")


def test_conflicts_have_markers_and_stages(project: Path, made: Releases) -> None:
    edit(project, "README.md", lambda text: text.replace("## Use it", "## Use mine"))
    commit(project)
    found = bring(project, made["0.2.0"])
    assert [change.path for change in found.of("conflict")] == ["README.md"]
    assert (
        "<<<<<<< yours\n## Use mine\n=======\n## How to use it\n>>>>>>> phi3scaffold 0.2.0\n"
    ) in (project / "README.md").read_text()
    stages = git(project, "ls-files", "--unmerged").splitlines()
    assert [line.split()[2:] for line in stages] == [[str(n), "README.md"] for n in (1, 2, 3)]
    assert "## Use mine" in git(project, "show", ":2:README.md")
    assert "## How to use it" in git(project, "show", ":3:README.md")
    # as git's own merge: resolve, add, commit
    git(project, "checkout", "-q", "--theirs", "README.md")
    commit(project)
    assert "Usage" in (bring(project, made["0.3.0"]), (project / "README.md").read_text())[1]


def test_removed_renamed_deleted(project: Path, made: Releases) -> None:
    edit(project, "inferences/merged.py", lambda text: text + "# mine\n")  # 0.2.0 has none
    (project / "inferences" / "onnx.py").rename(project / "answer.py")
    edit(project, "answer.py", lambda text: text + "# mine\n")
    (project / "setup" / "setup.sh").unlink()  # 0.2.0 changes it
    (project / "model-cache" / "README.md").unlink()  # nobody changes it
    commit(project)
    found = fates(bring(project, made["0.2.0"]))
    assert found["inferences/merged.py"] == "kept"
    assert (project / "inferences" / "merged.py").read_text().endswith("# mine\n")
    assert found["answer.py"] == "merged"
    assert (project / "answer.py").read_text().startswith('"""Newer: answer')
    assert (project / "answer.py").read_text().endswith("# mine\n")
    assert found["setup/setup.sh"] == "kept"
    for path in ("setup/setup.sh", "model-cache/README.md", "inferences/onnx.py"):
        assert not (project / path).exists()
    commit(project)
    assert "inferences/merged.py" not in fates(bring(project, made["0.3.0"]))  # said once
    assert (project / "answer.py").read_text().startswith('"""Newest: answer')


def test_a_file_of_the_user_where_the_template_adds_one(project: Path, made: Releases) -> None:
    """Tracked or not, text or not."""
    (project / "docs").mkdir()
    (project / "docs" / "TIPS.md").write_text("my own tips\n")
    found = bring(project, made["0.2.0"])  # it was never committed
    assert fates(found)["docs/TIPS.md"] == "conflict"
    assert "<<<<<<< yours\nmy own tips\n=======" in (project / "docs" / "TIPS.md").read_text()
    with installed(made["0.2.0"]):
        update.abort(project)
    assert (project / "docs" / "TIPS.md").read_text() == "my own tips\n"
    (project / "docs" / "TIPS.md").write_bytes(b"\0\1\2")
    commit(project)
    (change,) = bring(project, made["0.2.0"]).of("conflict")
    assert "not text" in change.why
    assert (project / "docs" / "TIPS.md").read_bytes() == b"\0\1\2"
    git(project, "checkout", "--theirs", "docs/TIPS.md")
    assert (project / "docs" / "TIPS.md").read_text().startswith("# Tips")


def test_a_move_onto_something(project: Path, made: Releases) -> None:
    """A file that has moved does not push away what the user has put there."""
    edit(project, "inferences/requirements-adapter.txt", lambda text: text + "mine==1\n")
    (project / "inferences" / "needs").mkdir()
    (project / "inferences" / "needs" / "adapter.txt").write_text("something else\n")
    commit(project)
    found = fates(bring(project, made["0.2.0"]))
    assert found["inferences/requirements-adapter.txt"] == "kept"
    assert found["inferences/needs/adapter.txt"] == "conflict"
    assert "mine==1" in (project / "inferences/requirements-adapter.txt").read_text()
    assert "something else" in (project / "inferences/needs/adapter.txt").read_text()


def test_without_the_wheel_edits_in_setup_are_still_safe(project: Path, made: Releases) -> None:
    """Nobody knows what setup/ was like, so what differs is in conflict; the rest is replaced."""
    edit(project, "setup/requirements.txt", lambda text: text + "mine==1.0\n")
    for wheel in (project / "setup").glob("*.whl"):
        wheel.unlink()
    commit(project)
    found = fates(bring(project, made["0.2.0"]))
    assert found["setup/requirements.txt"] == "conflict"
    text = (project / "setup" / "requirements.txt").read_text()
    assert "mine==1.0" in text
    assert "rich==15.0.2" in text
    assert len(list((project / "setup").glob("*.whl"))) == 1


@pytest.mark.parametrize("target", ["aml", "directml"])
def test_other_targets(target: str, made: Releases, tmp_path: Path) -> None:
    """What they have beside the others: conda.yaml, a second environment."""
    path = {"aml": "setup/conda.yaml", "directml": "setup/requirements-infer.txt"}[target]
    project = make(made["0.1.0"], tmp_path / "proj", target=target)
    edit(project, path, lambda text: re.sub(r"(?m)^( *(?:- )?)copier", r"# mine\n\1copier", text))
    commit(project)
    assert not bring(project, made["0.3.0"]).of("conflict")
    text = (project / path).read_text()
    assert "0.3.0" in text
    assert "rich==15.0.3" in text
    assert "\n# mine\n" in text


def test_diff_is_a_patch(project: Path, made: Releases) -> None:
    """It changes nothing, and `git apply` of it gives the same as the update."""
    edit(project, "Makefile", lambda text: text + "# mine\n")
    edit(project, "README.md", lambda text: text.replace("## Use it", "## Use mine"))
    edit(project, "inferences/requirements-adapter.txt", lambda text: text + "mine==1\n")
    commit(project)
    before, index = snapshot(project), git(project, "ls-files", "--stage")
    with installed(made["0.2.0"]):
        found = update.plan(project, {})
        patch = update.diff(found, color=False)
    assert snapshot(project) == before
    assert git(project, "ls-files", "--stage") == index
    assert not (project / ".git" / "phi3scaffold-update").exists()
    for line in ("+## How to use it", "-## Use it", "rename to inferences/needs/adapter.txt"):
        assert ("\n" + line + "\n" in patch) is (line != "-## Use it")
    assert "\n+rich==15.0.2\n" in patch
    assert "\n+<<<<<<< yours\n" in patch
    assert "phi3scaffold-0.2.0+" in patch
    assert "\x1b[" not in patch
    with installed(made["0.2.0"]):
        assert "\x1b[32m+" in update.diff(found, color=True)
        update.update(project, {})
    updated = files(project)
    with installed(made["0.2.0"]):
        update.abort(project)
    parts = [part for part in patch.split("diff --git ") if part and ".whl" not in part]
    (project.parent / "patch").write_text("".join("diff --git " + part for part in parts))
    git(project, "apply", str(project.parent / "patch"))
    applied = files(project)
    assert {k: v for k, v in applied.items() if ".whl" not in k} == {
        k: v for k, v in updated.items() if ".whl" not in k
    }
