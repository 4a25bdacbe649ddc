"""Projects to look at, environments that are nothing but metadata, and machines that are files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from phi3scaffold import generator
from phi3scaffold.checks.runner import load, run_check
from phi3scaffold.pipeline import machine
from phi3scaffold.project.findings import Finding
from phi3scaffold.targets.doctor_context import DoctorContext, open_context
from tests.template.conftest import without_git

CHECKS = {module.ID[4:]: module for module in load("doctor")}
Make = Callable[..., Path]


def said(name: str, context: DoctorContext) -> list[Finding]:
    """What one check, without its number, says."""
    return run_check(CHECKS[name], context, "warning")


def doctor(
    cwd: Path, *words: str, code: int | None = None, **environment: str | None
) -> dict[str, Any]:
    """`phi3scaffold doctor WORDS --json`; its states by check without its number, under `of`."""
    done = subprocess.run(
        [sys.executable, "-m", "phi3scaffold", "doctor", "--json", *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        env=_environment(environment),
        timeout=60,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert code is None or done.returncode == code, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    found["of"] = {}
    for one in found["verdicts"]:
        found["of"].setdefault(one["id"][4:], []).append(one)
    return found


def _environment(changes: Mapping[str, str | None]) -> dict[str, str]:
    """This process's, without what would reach the network or this user's logins."""
    gone = ("HF_TOKEN", "HF_ENDPOINT", "HF_HUB_OFFLINE", "OMP_NUM_THREADS")
    mine = {key: value for key, value in os.environ.items() if key not in gone}
    return {
        **{key: value for key, value in mine.items() if changes.get(key, "") is not None},
        **{key: value for key, value in changes.items() if value is not None},
    }


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """target, model -> a project as `new` makes it. Read only."""
    folder = tmp_path_factory.mktemp("doctor")

    def make(target: str = "cpu", model: str = "tiny") -> Path:
        root = folder / f"{target}-{model.replace('/', '-')}"
        if not root.exists():
            with without_git():
                generator.new(root, {"target": target, "model": model}, git=False)
        return root

    return make


@pytest.fixture
def project(sound: Make, tmp_path: Path) -> Make:
    """The same, to change; without tiny's weights, if not asked for."""

    def copied(target: str = "cpu", model: str = "microsoft/Phi-3-mini-4k-instruct") -> Path:
        return Path(shutil.copytree(sound(target, model), tmp_path / "proj"))

    return copied


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch) -> Callable[..., DoctorContext]:
    """What doctor sees from a folder."""

    def look_from(folder: Path, **options: Any) -> DoctorContext:
        monkeypatch.chdir(folder)
        return open_context(**options)

    return look_from


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine: its /proc and /sys are the files that the test writes below this folder."""
    import psutil

    folder = tmp_path / "machine"
    (folder / "proc").mkdir(parents=True)
    monkeypatch.setattr(machine, "ROOT", folder)
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(folder / "proc"))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    yield folder


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def program(folder: Path, name: str, script: str) -> None:
    """A program for PATH."""
    write(folder / name, f"#!/bin/sh\n{script}\n").chmod(0o755)


def memory_of(root: Path, total: float, available: float, swap: float = 0) -> None:
    """Write /proc/meminfo and what psutil reads beside it; GiB."""
    sizes = {"MemTotal": total, "MemFree": available, "MemAvailable": available}
    sizes |= {"SwapTotal": swap, "SwapFree": swap, "Buffers": 0, "Cached": 0}
    sizes |= {"Shmem": 0, "Active": 0, "Inactive": 0, "Slab": 0}
    lines = [f"{name}: {round(size * 2**20)} kB\n" for name, size in sizes.items()]
    write(root / "proc" / "meminfo", "".join(lines))
    write(root / "proc" / "vmstat", "pswpin 0\npswpout 0\n")


def environment_with(project: Path, packages: Mapping[str, str], name: str = ".venv") -> Path:
    """A virtual environment that is nothing but metadata; it has every pin, but `packages`.

    A package whose version is empty is not there.
    """
    from phi3scaffold.pipeline.installed_packages import FOLDERS, read_pins

    folder = project / name
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
    version = ".".join(map(str, sys.version_info[:3]))
    write(folder / "pyvenv.cfg", f"home = {Path(sys.executable).parent}\nversion = {version}\n")
    pins = read_pins((project / "setup" / FOLDERS[name]).read_text().splitlines())
    wheel = next((project / "setup").glob("*.whl"))
    for package, its in {**pins, "phi3scaffold": wheel.name.split("-")[1], **packages}.items():
        if its:
            installed(folder, package, its)
    return folder


def installed(environment: Path, package: str, version: str, *requires: str) -> None:
    """Record a package as installed."""
    sites = environment / "lib" / "python3.11" / "site-packages"
    lines = ["Metadata-Version: 2.4", f"Name: {package}", f"Version: {version}"]
    lines += [f"Requires-Dist: {one}" for one in requires]
    info = sites / f"{package.replace('-', '_')}-{version}.dist-info"
    write(info / "METADATA", "\n".join(lines) + "\n")
