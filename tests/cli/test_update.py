"""`phi3scaffold update` as it is typed, and from a wheel that was installed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from phi3scaffold.__main__ import VERBS
from phi3scaffold.cli import main
from phi3scaffold.generator import wheel as wheels
from tests.support.releases import Release, commit, edit, git, installed, make, releases, snapshot

Releases = dict[str, Release]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    return releases(tmp_path_factory.mktemp("releases"))


@pytest.fixture(scope="module")
def first(made: Releases, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of 0.1.0 with edits that merge and edits that do not."""
    project = make(made["0.1.0"], tmp_path_factory.mktemp("first") / "proj")
    edit(project, "Makefile", lambda text: text + "# mine\n")
    edit(project, "README.md", lambda text: text.replace("## Use it", "## Use mine"))
    (project / "inferences" / "merged.py").write_text("# rewritten\n")
    commit(project)
    return project


@pytest.fixture
def project(first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, and the current folder below it."""
    found = Path(shutil.copytree(first, tmp_path / "proj", symlinks=True))
    monkeypatch.chdir(found / "datasets")
    return found


def test_the_whole_way(project: Path, made: Releases, capsys: Any) -> None:
    """Look, do, be told what is open, undo, do it again, commit, and be up to date."""
    before = snapshot(project)
    with installed(made["0.2.0"]):
        assert main(VERBS, ["update", "--diff"]) == 0
        shown = capsys.readouterr()
        assert shown.out.startswith("diff --git a/.copier-answers.yml b/.copier-answers.yml\n")
        assert "Would update proj: 0.1.0 -> 0.2.0" in shown.err
        assert "\x1b" not in shown.out
        assert snapshot(project) == before
        assert main(VERBS, ["update"]) == 0
        said = capsys.readouterr().out
        assert "Updated proj: 0.1.0 -> 0.2.0" in said
        assert re.search(r"1 in conflict:\n  README.md\n", said)
        assert re.search(r"merged with your edits:\n  Makefile\n", said)
        assert "merged.py  (with your edits; the template no longer has it)" in said
        assert "requirements-adapter.txt -> inferences/needs/adapter.txt" in said
        assert "git add -A && git commit" in said
        assert "phi3scaffold update --abort" in said
        assert len(said.splitlines()) <= 40
        assert main(VERBS, ["update"]) == 2
        assert capsys.readouterr().err.count("error:") == 1
        assert main(VERBS, ["update", "--abort"]) == 0
        assert "as it was" in capsys.readouterr().out
        assert snapshot(project) == before
        assert main(VERBS, ["update", "--json"]) == 0
        report = json.loads(capsys.readouterr().out)
        assert (report["from"], report["to"]) == ("0.1.0", "0.2.0")
        found = {file["path"]: file["fate"] for file in report["files"]}
        assert found["README.md"] == "conflict"
        assert found["docs/TIPS.md"] == "added"
        commit(project)
        assert main(VERBS, ["update"]) == 0
        assert capsys.readouterr().out == "proj is up to date: 0.2.0\n"
        assert main(VERBS, ["update", "--abort"]) == 2


def test_set(project: Path, made: Releases, capsys: Any) -> None:
    with installed(made["0.1.0"]):
        assert main(VERBS, ["update", "--set", "algo=qlora", "--set", "precision=int8"]) == 0
        said = capsys.readouterr().out
        assert "Updated proj: 0.1.0\n" in said
        text = (project / ".copier-answers.yml").read_text()
        assert "algo: qlora" in text
        assert "precision: int8" in text
        for words in (["--set", "algo"], ["--set", "algo=x"], ["--abort", "--set", "algo=lora"]):
            assert main(VERBS, ["update", *words]) == 2
            assert capsys.readouterr().err.count("error:") == 1


def test_outside_of_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(VERBS, ["update"]) == 2
    assert "not a phi3scaffold project" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="there are no ptys on Windows")
@pytest.mark.parametrize("plain", [False, True])
def test_colours_at_a_terminal(project: Path, made: Releases, plain: bool) -> None:
    import pty

    child, terminal = pty.fork()
    if child == 0:
        os.environ.pop("NO_COLOR", None)
        if plain:
            os.environ["NO_COLOR"] = "1"
        sys.stdout = os.fdopen(1, "w")  # pytest's own is no terminal
        with installed(made["0.2.0"]):
            code = main(VERBS, ["update", "--diff"])
        sys.stdout.flush()
        os._exit(code)
    said = b""
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # Linux: the other side is closed
            break
        if not part:
            break
        said += part
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert (b"\x1b[1mdiff --git a/Makefile" in said) is not plain
    assert (b"\x1b[" in said) is not plain
    assert b"diff --git a/Makefile" in said


def install(release: Release, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Build that release's wheel and install it into a folder of its own."""
    package_files = wheels.package_files

    def files(weights: bool) -> dict[str, bytes]:
        found = package_files(weights)
        found["phi3scaffold/generator/template.bundle"] = release.bundle.read_bytes()
        found["phi3scaffold/__init__.py"] = f'__version__ = "{release.version}"\n'.encode()
        return found

    with installed(release), monkeypatch.context() as patch:
        patch.setattr(wheels, "package_files", files)
        folder.mkdir()
        wheel = wheels.write_wheel(folder)
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--no-compile"]
    subprocess.run([*pip, "--target", str(folder / "site"), str(wheel)], check=True)
    return folder / "site"


def test_from_an_installed_wheel(
    made: Releases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No checkout, no network: made by one release's wheel, brought to the third by its own."""

    def run(version: str, *words: str, cwd: Path) -> str:
        site = sites[version]
        code = (
            f"import sys; sys.path.insert(0, {str(site)!r})\n"
            "import phi3scaffold; assert phi3scaffold.__file__.startswith(sys.path[0])\n"
            "from phi3scaffold.__main__ import VERBS, main\n"
            "sys.exit(main(VERBS, sys.argv[1:]))\n"
        )
        env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        done = subprocess.run(
            [sys.executable, "-P", "-c", code, *words],
            cwd=cwd,
            env=env | {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    sites = {v: install(made[v], tmp_path / v, monkeypatch) for v in ("0.1.0", "0.3.0")}
    run("0.1.0", "new", "proj", "--defaults", cwd=tmp_path)
    project = tmp_path / "proj"
    (wheel,) = (project / "setup").glob("*.whl")
    assert wheel.name.startswith("phi3scaffold-0.1.0+")
    edit(project, "Makefile", lambda text: text + "# mine\n")
    edit(project, "setup/requirements.txt", lambda text: text.replace("rich==15.0.1", "rich==1"))
    commit(project)
    before = snapshot(project)
    run("0.3.0", "update", cwd=project)
    text = (project / "Makefile").read_text()
    assert "## all targets" in text
    assert text.endswith("# mine\n")
    (wheel,) = (project / "setup").glob("*.whl")
    assert wheel.name.startswith("phi3scaffold-0.3.0+")
    assert (
        "<<<<<<< yours\nrich==1\n=======\nrich==15.0.3\n"
        in (project / "setup" / "requirements.txt").read_text()
    )
    run("0.3.0", "update", "--abort", cwd=project)
    assert snapshot(project) == before
    assert git(project, "status", "--porcelain") == ""
