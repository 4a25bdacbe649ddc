"""A child ends with its parent, from its first line on, and whatever ended the parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from phi3scaffold.pipeline import child
from tests.support.ended import all_end

# A parent that starts a child which never ends by itself, and says its number.
PARENT = """
import subprocess, sys, threading
from phi3scaffold.pipeline import child
def start():
    print(subprocess.Popen(child.command("endless", grace={grace})).pid, flush=True)
{start}
{after}
"""


def finding(folder: Path) -> dict[str, str]:
    """An environment in which Python finds a folder's modules, whatever this one says of paths."""
    known = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *([known] if known else [])])}


def run_parent(folder: Path, *, start: str = "start()", after: str, grace: float = 0.0):
    (folder / "endless.py").write_text("import time\ntime.sleep(300)\n")
    code = PARENT.format(grace=grace, start=start, after=after)
    words = [sys.executable, "-c", code]
    parent = subprocess.Popen(words, env=finding(folder), stdout=subprocess.PIPE)
    assert parent.stdout is not None
    return parent, psutil.Process(int(parent.stdout.readline()))


@pytest.mark.parametrize("grace", [0.0, 0.3])
@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGINT"])
def test_a_child_ends_with_its_parent(name: str, grace: float, tmp_path: Path) -> None:
    parent, started = run_parent(tmp_path, after="import time; time.sleep(300)", grace=grace)
    parent.send_signal(getattr(signal, name))
    parent.wait()
    assert all_end([started])


def test_a_child_of_a_parent_that_is_gone_ends(tmp_path: Path) -> None:
    """It was started, and before its first line the parent has ended."""
    parent, started = run_parent(tmp_path, after="import os; os._exit(0)")
    parent.wait()
    assert all_end([started])


def test_the_end_of_a_thread_is_not_the_parents(tmp_path: Path) -> None:
    """Linux reports the end of the thread that has started a child."""
    start = "t = threading.Thread(target=start); t.start(); t.join()"
    parent, started = run_parent(tmp_path, start=start, after="import time; time.sleep(300)")
    time.sleep(1)
    assert started.is_running() and started.status() != psutil.STATUS_ZOMBIE
    parent.kill()
    parent.wait()
    assert all_end([started])


def test_the_child_is_the_module_with_its_arguments(tmp_path: Path) -> None:
    (tmp_path / "said.py").write_text("import sys\nprint(__name__, *sys.argv[1:])\n")
    words = child.command("said", "a", "b c")
    done = subprocess.run(words, env=finding(tmp_path), capture_output=True, text=True, check=True)
    assert done.stdout == "__main__ a b c\n"
