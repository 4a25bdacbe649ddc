"""L15: no wheel, several, a damaged one."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

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
