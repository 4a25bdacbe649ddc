"""Environments that are nothing but metadata: what is missing, differs, or is known to break."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from phi3scaffold import __version__
from phi3scaffold.checks.doctor.known_breaks import BREAKS
from phi3scaffold.pipeline.installed_packages import read_pins
from phi3scaffold.targets.doctor_context import DoctorContext
from tests.checks.doctor.conftest import Make, environment_with, installed, said, write

See = Callable[..., DoctorContext]


def test_an_environment_as_setup_makes_it_is_well(project: Make, context: See) -> None:
    root = project()
    environment_with(root, {"torch": "2.13.0+cpu"})
    here = context(root)
    for name in ("python", "packages", "known-breaks", "wheel"):
        assert [one.state for one in said(name, here)] == ["ok"], said(name, here)
    well, other = said("environment", here)
    assert (well.state, other.state) == ("ok", "note")
    assert "another Python" in other.what  # the suite's own, which is not the project's
    assert ".venv/bin/phi3scaffold doctor" in str(other.fix)


def test_what_is_missing_and_what_differs_is_named(project: Make, context: See) -> None:
    root = project()
    environment_with(root, {"requests": "", "peft": "", "transformers": "4.57.1"})
    missing, other = said("packages", context(root))
    assert missing.state == "error"
    assert "2 of " in missing.what
    assert "peft, requests" in missing.what
    assert missing.fix == "make setup"
    assert str(root / ".venv") in str(missing.where)
    assert other.state == "warning"
    assert "transformers 4.57.1 (pinned 5.23.0)" in other.what


def test_what_was_brought_along_is_compared_with_the_constraints(
    project: Make, context: See
) -> None:
    root = project()
    environment = environment_with(root, {})
    line = next(
        one for one in (root / "setup/constraints.txt").read_text().splitlines() if one[0].isalpha()
    )
    installed(environment, line.partition("==")[0], "0.0.1")
    (told,) = said("packages", context(root))
    assert told.state == "note"
    assert f"{line.partition('==')[0]} 0.0.1 ({line.partition('==')[2]})" in told.what


def test_outside_of_a_project_only_the_extras_that_are_here_are_compared(
    tmp_path: Path, context: See, monkeypatch: pytest.MonkeyPatch
) -> None:
    from phi3scaffold.generator.requirements import distribution

    for name, version in read_pins(distribution().base).items():
        installed(tmp_path, name, version)
    installed(tmp_path, "numpy", "1.0")  # somebody else's
    sites = tmp_path / "lib" / "python3.11" / "site-packages"
    monkeypatch.setattr(sys, "path", [str(sites)])
    assert [one.state for one in said("packages", context(tmp_path))] == ["ok"]
    installed(tmp_path, "olive-ai", "0.13.0")
    missing, other = said("packages", context(tmp_path))
    assert (missing.state, other.state) == ("warning", "warning")
    assert "accelerate" in missing.what
    assert "numpy 1.0 (pinned" in other.what


def test_both_environments_of_directml_are_looked_at(project: Make, context: See) -> None:
    root = project("directml")
    environment_with(root, {})
    environment_with(root, {"onnxruntime-directml": ""}, ".venv-infer")
    well, broken = said("packages", context(root))
    assert well.state == "ok"
    assert broken.state == "error"
    assert ".venv-infer" in str(broken.where)
    assert [one.state for one in said("known-breaks", context(root))] == ["ok", "error"]


@pytest.mark.parametrize("row", BREAKS, ids=lambda row: " ".join([*row.these, *row.absent]))
def test_every_row_of_the_table_of_breaks_is_found(
    row: object, project: Make, context: See
) -> None:
    root = project()
    versions = {"onnxruntime-genai": "", "onnxruntime": ""}
    for name, wanted in row.these.items():  # type: ignore[attr-defined]
        lowest = wanted.partition(",")[0]
        versions[name] = {"!=3.15.0": "3.16.0", "==0.13.*": "0.13.0", "": "1.0"}.get(
            lowest, lowest.lstrip(">=")
        )
    versions |= dict.fromkeys(row.absent, "")  # type: ignore[attr-defined]
    environment_with(root, versions)
    found = [one for one in said("known-breaks", context(root)) if row.why in one.what]  # type: ignore[attr-defined]
    assert [one.state for one in found] == [row.state]  # type: ignore[attr-defined]
    assert found[0].fix == "make setup"


def test_two_runtimes_side_by_side(project: Make, context: See) -> None:
    root = project()
    environment_with(root, {"onnxruntime-gpu": "1.31.1"})
    (told,) = said("known-breaks", context(root))
    assert told.state == "error"
    assert "onnxruntime and onnxruntime-gpu" in told.what
    assert "pip uninstall -y onnxruntime onnxruntime-gpu, then make setup" in str(told.fix)


def test_a_runtime_without_its_partner(project: Make, context: See) -> None:
    root = project()
    environment_with(root, {"onnxruntime": "", "onnxruntime-gpu": "1.31.1"})
    (told,) = said("known-breaks", context(root))
    assert "onnxruntime-genai is here without onnxruntime" in told.what


def test_a_package_that_is_recorded_twice(project: Make, context: See) -> None:
    root = project()
    installed(environment_with(root, {}), "peft", "0.17.0")
    (told,) = said("known-breaks", context(root))
    assert told.state == "warning"
    assert "peft is recorded as installed at" in told.what
    assert told.fix == "remove .venv, then make setup"


def test_without_an_environment_the_running_python_is_looked_at(
    project: Make, context: See, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    root = project()
    monkeypatch.setattr(sys, "path", [str(tmp_path / "nothing")])
    here = context(root)
    (told,) = said("environment", here)
    assert (told.state, told.fix) == ("note", "make setup")
    (missing,) = said("packages", here)
    assert missing.state == "error"
    assert "packages are not installed" in missing.what


@pytest.mark.parametrize("version", ["3.10.14", "3.14.0rc1", "3.15.2"])
def test_a_python_that_nothing_is_pinned_for(version: str, project: Make, context: See) -> None:
    root = project()
    write(environment_with(root, {}) / "pyvenv.cfg", f"version = {version}\n")
    (told,) = said("python", context(root))
    assert told.state == "error"
    assert version.removesuffix("rc1") in told.what
    assert "PYTHON=/path/to/python3.11" in str(told.fix)


def test_an_environment_whose_python_is_gone(project: Make, context: See) -> None:
    root = project()
    python = environment_with(root, {}) / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python3.11")
    told = said("environment", context(root))[0]
    assert told.state == "error"
    assert "its Python is gone (/nowhere/python3.11)" in told.what
    assert told.fix == "remove .venv, then make setup"


def test_an_environment_whose_python_does_not_start(project: Make, context: See) -> None:
    root = project()
    python = environment_with(root, {}) / "bin" / "python"
    python.unlink()
    write(python, "#!/bin/sh\nexit 1\n").chmod(0o755)
    told = said("environment", context(root))[0]
    assert (told.state, "does not start" in told.what) == ("error", True)


def test_an_environment_with_another_runtime_than_setups(project: Make, context: See) -> None:
    root = project()
    environment_with(root, {"phi3scaffold": f"{__version__}+0000000000"})
    told = said("environment", context(root))[0]
    assert told.state == "warning"
    assert f"has phi3scaffold {__version__}+0000000000, setup/ has {__version__}+" in told.what


def test_the_wheel_is_there_once_and_whole(project: Make, context: See) -> None:
    root = project()
    wheel = next((root / "setup").glob("*.whl"))
    content = wheel.read_bytes()
    other = wheel.with_name("phi3scaffold-9.9-py3-none-any.whl")
    with zipfile.ZipFile(other, "w"):
        pass
    assert "There are 2 wheels" in said("wheel", context(root))[0].what
    other.unlink()
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("more.py", b"")
    (told,) = said("wheel", context(root))
    assert (told.state, "its sha256 is another" in told.what) == ("error", True)
    wheel.write_bytes(content[:5000])
    (told,) = said("wheel", context(root))
    assert (told.state, told.what) == ("error", "The runtime's wheel is damaged.")
    wheel.unlink()
    (told,) = said("wheel", context(root))
    assert (told.state, told.what) == ("error", "The runtime's wheel is missing.")
