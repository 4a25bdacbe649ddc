"""The bundle is the template, and its history only grows."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from phi3scaffold.generator import bundle, template
from phi3scaffold.project.errors import ScaffoldError

# Tag -> commit of every version that was released; a released commit never changes.
RELEASED = {
    "v0.1.0": "ce9aa3d866b8c68e7ad157ae2ef4fbd5410f13bd",
    "v0.2.0": "a2dc7ad63b4fc45fd92292d135fb02ad7f5b9645",
    "v0.3.0": "4982000c5ff48a742f001959e38926b9a188457e",
}


def test_it_is_the_template(tmp_path: Path) -> None:
    """The one that is shipped holds exactly the template's files, bit for bit."""
    rebuilt = bundle.build(
        template.folder(), template.version(), template.BUNDLE, tmp_path / "again.bundle"
    )
    shipped = bundle.commits(template.BUNDLE)
    assert shipped[f"v{template.version()}"] == rebuilt, (
        "template/ has changed: python -m phi3scaffold.generator.bundle"
    )


def test_released_versions_are_all_there() -> None:
    shipped = bundle.commits(template.BUNDLE)
    assert RELEASED.items() <= shipped.items()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "template"
    (folder / "project").mkdir(parents=True)
    (folder / "project" / "file").write_text("one\n")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "junk").write_text("x")
    return folder


def test_the_same_hash_every_time(source: Path, tmp_path: Path) -> None:
    first = bundle.build(source, "1.0.0", None, tmp_path / "a.bundle")
    shutil.copytree(source, tmp_path / "copy")
    second = bundle.build(tmp_path / "copy", "1.0.0", None, tmp_path / "b.bundle")
    assert first == second
    assert not list(tmp_path.glob("*.part"))


def test_a_release_is_added_to_the_last(source: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.bundle"
    first = bundle.build(source, "1.0.0", None, path)
    (source / "project" / "file").write_text("two\n")
    second = bundle.build(source, "1.10.0", path, path)
    assert bundle.commits(path) == {"v1.0.0": first, "v1.10.0": second}
    # built again, before it is released: the earlier one stays, the newest is replaced
    (source / "project" / "file").write_text("three\n")
    third = bundle.build(source, "1.10.0", path, path)
    assert bundle.commits(path) == {"v1.0.0": first, "v1.10.0": third}
    with pytest.raises(ScaffoldError, match="newer"):
        bundle.build(source, "1.9.0", path, path)
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(path), str(clone)], check=True)
    log = subprocess.run(
        ["git", "log", "--format=%s"], cwd=clone, capture_output=True, text=True, check=True
    )
    assert log.stdout.split("\n")[:2] == ["Template v1.10.0", "Template v1.0.0"]
    assert not (clone / "__pycache__").exists()
