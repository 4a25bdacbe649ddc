"""A project appears whole or not at all: interrupts, full disks, read-only places."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from phi3scaffold.pipeline.atomic_folder import published
from phi3scaffold.project.errors import ScaffoldError

ANSWERS = ("--algo", "lora", "--target", "cpu", "--task", "qa", "--model", "phi-3-mini-4k")


@pytest.fixture
def no_leftovers(tmp_path: Path) -> Iterator[Path]:
    """An empty folder to make projects in; afterwards it holds nothing hidden."""
    folder = tmp_path / "projects"
    folder.mkdir()
    yield folder
    hidden = [path.name for path in folder.iterdir() if path.name.startswith(".")]
    assert not hidden, f"left behind: {hidden}"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_whole(no_leftovers: Path) -> None:
    with published(no_leftovers / "deep" / "proj") as staging:
        (staging / "file").write_text("x")
    assert (no_leftovers / "deep" / "proj" / "file").read_text() == "x"
    mode = (no_leftovers / "deep" / "proj").stat().st_mode & 0o777
    assert mode == (no_leftovers / "deep").stat().st_mode & 0o777


def test_an_empty_folder_is_filled_not_replaced(no_leftovers: Path) -> None:
    (no_leftovers / "proj").mkdir()
    before = (no_leftovers / "proj").stat().st_ino
    with published(no_leftovers / "proj") as staging:
        (staging / "file").write_text("x")
    assert (no_leftovers / "proj").stat().st_ino == before
    assert names(no_leftovers / "proj") == ["file"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(143), OSError(28, "No space")])
def test_nothing_after_a_failure(no_leftovers: Path, error: BaseException) -> None:
    with pytest.raises(type(error)), published(no_leftovers / "deep" / "proj") as staging:
        (staging / "file").write_text("x")
        raise error
    assert names(no_leftovers) == []


def test_a_folder_in_use_is_refused(no_leftovers: Path) -> None:
    (no_leftovers / "proj").mkdir()
    (no_leftovers / "proj" / "mine").write_text("x")
    (no_leftovers / "file").write_text("x")
    for name in ("proj", "file"):
        with pytest.raises(ScaffoldError), published(no_leftovers / name):
            raise AssertionError("it was not refused")
    assert (no_leftovers / "proj" / "mine").read_text() == "x"


def test_a_folder_that_fills_meanwhile_is_kept(no_leftovers: Path) -> None:
    destination = no_leftovers / "proj"
    with pytest.raises(ScaffoldError), published(destination) as staging:
        (staging / "file").write_text("x")
        destination.mkdir()
        (destination / "mine").write_text("y")
    assert names(destination) == ["mine"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["rows", "render", "commit"])
def test_signals_leave_nothing(no_leftovers: Path, number: signal.Signals, moment: str) -> None:
    """The command is stopped while it stands still at `moment`."""
    module, name = {
        "rows": ("new", "render"),
        "render": ("render", "_copy"),
        "commit": ("new", "first_commit"),
    }[moment]
    code = (
        "import sys, time\n"
        "def stand(*_a, **_k):\n"
        "    print('standing', flush=True)\n"
        "    time.sleep(60)\n"
        "import importlib\n"
        f"importlib.import_module('phi3scaffold.generator.{module}').{name} = stand\n"
        "from phi3scaffold.__main__ import VERBS, main\n"
        f"sys.exit(main(VERBS, ['new', 'sub/proj', *{ANSWERS!r}]))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=no_leftovers, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert "standing\n" in iter(process.stdout.readline, "")
    time.sleep(0.1)
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == (130 if number == signal.SIGINT else 143)
    assert "Traceback" not in errors
    assert names(no_leftovers) == []


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mount a small tmpfs; the cases hold for root, too, whom permissions do not stop."""
    point = tmp_path / "mounted"
    point.mkdir()

    def mount(options: str) -> Path:
        if not shutil.which("mount") or not hasattr(os, "geteuid") or os.geteuid() != 0:
            pytest.skip("mounting a tmpfs needs root")
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(point)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"a tmpfs cannot be mounted here: {done.stderr.strip()}")
        return point

    yield mount
    subprocess.run(["umount", str(point)], capture_output=True)


def refused(destination: Path, *more: str) -> str:
    """Run `new` in a process of its own; it must exit 2 with one message. Returns the message."""
    done = subprocess.run(
        [sys.executable, "-m", "phi3scaffold", "new", str(destination), *ANSWERS, *more],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.count("error:") == 1
    assert "Traceback" not in done.stderr
    return done.stderr


# The wheel, the template's files and git's objects each hit the end at some size.
@pytest.mark.parametrize("size", ["8k", "40k", "100k", "300k", "600k", "800k"])
def test_a_full_disk(mounted: Callable[[str], Path], size: str) -> None:
    disk = mounted(f"size={size}")
    message = refused(disk / "proj")
    assert "No space left" in message
    assert str(disk / "proj") in message
    assert names(disk) == []


def test_a_read_only_place(mounted: Callable[[str], Path]) -> None:
    disk = mounted("ro,size=1m")
    message = refused(disk / "deep" / "proj")
    assert "Read-only" in message
    assert "can be written to" in message


def test_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    message = refused(tmp_path / "file" / "proj")
    assert str(tmp_path / "file") in message
