"""L15: no wheel, several, a damaged one."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest

from phi3scaffold.generator.wheel import package_files
from tests.checks.lint.conftest import Make
from tests.checks.lint.helpers import found, one


def wheel_of(root: Path) -> Path:
    (path,) = (root / "setup").glob("*.whl")
    return path


def test_a_new_project_is_clean(make: Make) -> None:
    assert found(make(), "wheel") == []


def test_none(make: Make) -> None:
    root = make()
    wheel_of(root).unlink()
    assert (one(root, "wheel").state, one(root, "wheel").where) == ("error", "setup")


def test_a_demonstration_that_was_cloned_has_none(make: Make) -> None:
    root = make(model="tiny")
    wheel_of(root).unlink()
    assert one(root, "wheel").state == "warning"


def test_two(make: Make) -> None:
    root = make()
    path = wheel_of(root)
    shutil.copy(path, path.with_name("phi3scaffold-0.0.1-py3-none-any.whl"))
    assert one(root, "wheel").what.startswith("There are 2 wheels")


def test_cut_short(make: Make) -> None:
    root = make()
    path = wheel_of(root)
    path.write_bytes(path.read_bytes()[:-100])
    finding = one(root, "wheel")
    assert finding.where == f"setup/{path.name}"
    assert finding.what.startswith("It is no whole wheel")


def test_another_wheel_that_is_whole(make: Make) -> None:
    """Packed again, say, with code of somebody else and a RECORD that fits."""
    root = make()
    path = wheel_of(root)
    with zipfile.ZipFile(path, "a") as wheel:
        wheel.writestr("phi3scaffold/more.py", b"x = 1\n")
    finding = one(root, "wheel")
    assert finding.state == "error"
    assert "its sha256 is another" in finding.what


def test_this_version_with_other_code(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything in the project fits together; only who looks has something else."""
    root = make()
    mine = package_files(False) | {"phi3scaffold/project/errors.py": b"# mine\n"}
    monkeypatch.setattr("phi3scaffold.checks.lint.wheel.package_files", lambda weights: mine)
    finding = one(root, "wheel")
    assert finding.state == "note"
    assert "phi3scaffold/project/errors.py in it is another" in finding.what


def test_a_project_of_before_names_no_wheel(make: Make) -> None:
    root = make()
    answers = root / ".copier-answers.yml"
    lines = answers.read_text(encoding="utf-8").splitlines(keepends=True)
    answers.write_text("".join(line for line in lines if not line.startswith("_wheel")))
    assert one(root, "wheel").state == "warning"


@pytest.mark.parametrize("what", ["bomb", "device"])
def test_what_never_ends_is_not_read(what: str, make: Make) -> None:
    root = make()
    path = wheel_of(root)
    path.unlink()
    if what == "device":
        path.symlink_to("/dev/zero")
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
            name = f"phi3scaffold-{path.name.split('-')[1]}.dist-info/RECORD"
            wheel.writestr(name, "a.py,sha256=x,1\n")
            with wheel.open("a.py", "w") as entry:
                for _ in range(250):
                    entry.write(bytes(1_000_000))
    assert one(root, "wheel").what.startswith("It is no whole wheel")
    assert found(root, "as_generated") == []


def test_under_another_name(make: Make) -> None:
    root = make()
    wheel_of(root).rename(root / "setup" / "phi3scaffold-9.9-py3-none-any.whl")
    assert one(root, "wheel").what.startswith("Its name is not what is in it")


def test_one_file_in_it_was_changed(make: Make) -> None:
    root = make()
    path = wheel_of(root)
    with zipfile.ZipFile(path) as old:
        files = {name: old.read(name) for name in old.namelist()}
    files["phi3scaffold/project/errors.py"] += b"# mine\n"
    with zipfile.ZipFile(path, "w") as new:
        for name, content in files.items():
            new.writestr(name, content)
    assert (
        one(root, "wheel").what == "phi3scaffold/project/errors.py in it is not as its RECORD says."
    )
