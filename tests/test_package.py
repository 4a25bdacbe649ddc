"""What is released: the wheel and the sdist carry all that the package needs, and no more.

`make test` runs the suite against the installed wheel and says so with PHI3SCAFFOLD_INSTALLED;
without it (a checkout on PYTHONPATH) the tests about the installed files are skipped.
"""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import sysconfig
import tarfile
import time
import tomllib
import zipfile
from pathlib import Path

import pytest

import phi3scaffold

ROOT = Path(__file__).resolve().parent.parent
TINY_LIMIT = 12 * 2**20  # bytes, tokenizer included
installed = pytest.mark.skipif(
    not os.environ.get("PHI3SCAFFOLD_INSTALLED"), reason="not the installed wheel; see make test"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(wheel, sdist), the wheel built from the unpacked sdist, as pip does it."""
    out = tmp_path_factory.mktemp("built")
    sdist = build(ROOT, "sdist", out)
    with tarfile.open(sdist) as archive:
        archive.extractall(out, filter="data")
    return build(out / sdist.name.removesuffix(".tar.gz"), "wheel", out), sdist


def build(source: Path, target: str, out: Path) -> Path:
    """Build in a process of its own, with nothing downloaded; the file that came out."""
    before = set(out.iterdir())
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(out)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = set(out.iterdir()) - before
    return made


def tracked(folder: str) -> list[str]:
    """Files below `folder` that git tracks, relative to the checkout."""
    done = subprocess.run(
        ["git", "ls-files", "-z", folder], cwd=ROOT, capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip("not a git checkout")
    return [name for name in done.stdout.split("\0") if name]


@installed
def test_the_suite_meets_the_installed_wheel() -> None:
    package = Path(phi3scaffold.__file__).resolve()
    assert package.is_relative_to(Path(sysconfig.get_path("purelib")).resolve())
    assert not package.is_relative_to(ROOT / "phi3scaffold")
    code = "import phi3scaffold; print(phi3scaffold.__file__)"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert Path(child.stdout.strip()).resolve() == package  # nor do the suite's child processes


@installed
def test_the_installed_files_are_the_checkouts() -> None:
    """A stale install would prove yesterday's code."""
    package = Path(phi3scaffold.__file__).parent
    for name in tracked("phi3scaffold"):
        assert (package.parent / name).read_bytes() == (ROOT / name).read_bytes(), name


def test_the_wheel_carries_template_tiny_and_types(built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[0]) as wheel:
        names = set(wheel.namelist())
    expected = set(tracked("phi3scaffold"))
    expected |= {f"phi3scaffold/{name}" for name in tracked("template")}
    expected |= {"phi3scaffold/constraints.txt", "phi3scaffold/hashes.txt"}
    assert expected - names == set()
    assert "phi3scaffold/py.typed" in names
    assert "phi3scaffold/template/copier.yml" in names
    assert "phi3scaffold/generator/template.bundle" in names
    assert "phi3scaffold/models/tiny/model.safetensors" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_the_wheel_carries_nothing_else(built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[0]) as wheel:
        names = wheel.namelist()
    expected = set(tracked("phi3scaffold"))
    expected |= {f"phi3scaffold/{name}" for name in tracked("template")}
    expected |= {"phi3scaffold/constraints.txt", "phi3scaffold/hashes.txt"}
    info = f"phi3scaffold-{phi3scaffold.__version__}.dist-info/"
    assert [name for name in names if name not in expected and not name.startswith(info)] == []


def test_the_wheel_from_the_checkout_is_the_wheel_from_the_sdist(
    built: tuple[Path, Path], tmp_path: Path
) -> None:
    from_checkout = build(ROOT, "wheel", tmp_path)
    contents = []
    for path in (built[0], from_checkout):
        with zipfile.ZipFile(path) as wheel:
            contents.append({name: wheel.read(name) for name in wheel.namelist()})
    from_sdist, checkout = contents
    assert from_sdist.keys() == checkout.keys()
    assert [name for name in checkout if checkout[name] != from_sdist[name]] == []


def test_the_sdist_can_be_tested(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[1]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {"LICENSE", "README.md", "CHANGELOG.md", "Makefile", "pyproject.toml"}
    assert (
        wanted | {"constraints.txt", "hashes.txt", "tests/test_package.py", "template/copier.yml"}
        <= names
    )


def test_tiny_is_small() -> None:
    model = Path(phi3scaffold.__file__).parent / "models" / "tiny"
    files = [path for path in model.rglob("*") if path.is_file()]
    assert files, "tiny is missing"
    assert sum(path.stat().st_size for path in files) <= TINY_LIMIT


@installed
def test_the_console_script_answers_fast_and_names_the_version() -> None:
    script = Path(sysconfig.get_path("scripts")) / "phi3scaffold"
    begun = time.perf_counter()
    done = subprocess.run([script, "--version"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"phi3scaffold {phi3scaffold.__version__}"
    # The bound of tests/benchmarks is 0.3 s; ten times that is a heavy import, not a busy machine.
    assert time.perf_counter() - begun < 3


@installed
def test_the_metadata_is_pyprojects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    metadata = importlib.metadata.metadata("phi3scaffold")
    assert metadata["Version"] == phi3scaffold.__version__
    assert set(metadata.get_all("Provides-Extra") or ()) == set(project["optional-dependencies"])


def test_the_changelog_has_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## {phi3scaffold.__version__}" in changelog
