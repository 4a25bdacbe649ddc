"""The wheel that travels with a project: the same bytes for the same code, and pip takes it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from phi3scaffold.generator import template
from phi3scaffold.generator.requirements import constraints, distribution, pins, split_extra
from phi3scaffold.generator.wheel import file_hash, package_files, write_wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_wheel(tmp_path_factory.mktemp("wheel"))


def test_same_code_same_bytes(wheel: Path, tmp_path: Path) -> None:
    again = write_wheel(tmp_path)
    assert again.name == wheel.name
    assert again.read_bytes() == wheel.read_bytes()


def test_other_code_other_name(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else pip would keep what it has: to pip the same version is the same code."""
    files = package_files(False) | {"phi3scaffold/more.py": b"x = 1\n"}
    monkeypatch.setattr("phi3scaffold.generator.wheel.package_files", lambda _weights: files)
    assert write_wheel(tmp_path).name != wheel.name


def test_content(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
        metadata = message_from_bytes(
            archive.read(next(name for name in names if name.endswith("/METADATA")))
        )
    for name in (
        "phi3scaffold/__main__.py",
        "phi3scaffold/py.typed",
        "phi3scaffold/template/copier.yml",
        "phi3scaffold/template/project/Makefile.jinja",
        "phi3scaffold/template/project/.gitignore.jinja",
        "phi3scaffold/generator/template.bundle",
    ):
        assert name in names
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]
    assert not [name for name in names if name.startswith("phi3scaffold/models/tiny/")]
    found = distribution()
    assert metadata["Version"].partition("+")[0] == found.version
    assert set(metadata.get_all("Provides-Extra") or []) == set(found.extras)
    required = [split_extra(line) for line in metadata.get_all("Requires-Dist") or []]
    assert [line for line, extra in required if extra is None] == list(found.base)
    for extra, lines in found.extras.items():
        assert [line for line, of in required if of == extra] == list(lines)


def test_weights_travel_where_they_are_used(wheel: Path, tmp_path: Path) -> None:
    """So that the demonstration project's own environment has its model."""
    from phi3scaffold.models import catalogue

    heavy = write_wheel(tmp_path, weights=True)
    with zipfile.ZipFile(heavy) as archive:
        found = {name for name in archive.namelist() if "/models/tiny/" in name}
    assert found == {
        f"phi3scaffold/models/tiny/{path.name}" for path in catalogue.tiny_folder().iterdir()
    }
    assert heavy.name != wheel.name


def test_pip_installs_it(wheel: Path, tmp_path: Path) -> None:
    """And the installed copy makes projects in its turn."""
    target = tmp_path / "installed"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    done = subprocess.run(
        [*pip, "--target", str(target), str(wheel)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    # -P and a folder of its own: neither a checkout nor the current folder is on the path.
    code = (
        f"import sys; sys.path.insert(0, {str(target)!r})\n"
        "import phi3scaffold; assert phi3scaffold.__file__.startswith(sys.path[0])\n"
        "from phi3scaffold.__main__ import VERBS, main\n"
        "sys.exit(main(VERBS, ['new', 'proj', '--defaults', '--no-git']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (made,) = (tmp_path / "proj" / "setup").glob("*.whl")
    assert made.name.startswith("phi3scaffold-")
    assert made.name.count("+") == 1
    requirements = (tmp_path / "proj" / "setup" / "requirements.txt").read_text().splitlines()
    lock = (tmp_path / "proj" / "setup" / "requirements.lock").read_text()
    assert "\ntorch==2.13.0 --hash=sha256:" in lock
    assert f"\n_wheel: {file_hash(made)}\n" in (tmp_path / "proj/.copier-answers.yml").read_text()
    named = [line for line in requirements[2:] if line[0] != "-"]
    assert named == pins("train", "cpu", "track", "serve")
    if constraints():
        assert "-c constraints.txt" in requirements
        assert (tmp_path / "proj" / "setup" / "constraints.txt").is_file()


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("rich==15.0.0", ("rich==15.0.0", None)),
        ("torch==2.13.0; extra == 'train'", ("torch==2.13.0", "train")),
        (
            'a==1; (sys_platform == "win32") and extra == "directml"',
            ('a==1; sys_platform == "win32"', "directml"),
        ),
        ("a==1; sys_platform == 'win32' and extra == 'x'", ("a==1; sys_platform == 'win32'", "x")),
        ("a==1 ; python_version < '3.12'", ("a==1 ; python_version < '3.12'", None)),
    ],
)
def test_extras_are_read_from_metadata(line: str, parts: tuple[str, str | None]) -> None:
    assert split_extra(line) == parts


def test_pins_are_exact() -> None:
    for line in pins("train", "cpu", "track"):
        assert "==" in line.partition(";")[0], line


def test_the_package_is_found() -> None:
    assert (template.PACKAGE / "__init__.py").is_file()
    assert (template.folder() / "project").is_dir()
