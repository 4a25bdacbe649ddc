"""Much data: workers, kill -9, and going on where a run was killed."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import psutil
import pytest

from phi3scaffold.project.errors import ScaffoldError

from .conftest import CLASSIFY, labelled, run, write

ROWS = 8_000
KILLED = """
import sys
from pathlib import Path
from phi3scaffold.datasets.spec import load_spec
from phi3scaffold.datasets.preparation import prepare
from phi3scaffold.models.catalogue import tiny_folder
if __name__ == "__main__":
    yaml, out, scratch = map(Path, sys.argv[1:])
    out.mkdir()
    prepare(load_spec(yaml), tiny_folder(), out, scratch, lambda event: None, 2)
"""


@pytest.fixture(scope="module")
def yaml(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = labelled(ROWS - 200)
    copies = [dict(row, phrase=row["phrase"] + ".") for row in rows[:100]]
    return write(tmp_path_factory.mktemp("many"), CLASSIFY, train=[*rows, *rows[:100], *copies])


@pytest.fixture(scope="module")
def alone(yaml: Path) -> dict[str, bytes]:
    """What one process makes of it, without a stop."""
    made = run(yaml, yaml.parent / "alone", yaml.parent / "alone-scratch")
    assert made.report["near_duplicates"]["groups"] == 100
    return made.bytes


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a POSIX signal")
def test_a_killed_run_goes_on_where_it_stopped(
    yaml: Path, alone: dict[str, bytes], tmp_path: Path
) -> None:
    """Two workers are killed with their parent; the second run is the same to the byte."""
    script, scratch = tmp_path / "killed.py", tmp_path / "scratch"
    script.write_text(KILLED)
    command = [sys.executable, str(script), str(yaml), str(tmp_path / "out"), str(scratch)]
    process = subprocess.Popen(command)
    while len(list(scratch.glob("*.arrow"))) < 2:
        assert process.poll() is None
        time.sleep(0.02)
    workers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(workers) >= 2
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert not alive  # a worker does not outlive its parent
    assert not list((tmp_path / "out").iterdir())
    finished = {file: file.stat() for file in scratch.glob("*.arrow")}
    assert 2 <= len(finished) < ROWS / 1000
    made = run(yaml, tmp_path / "again", scratch)
    assert made.bytes == alone
    for file, before in finished.items():
        after = file.stat()
        assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_shard_that_was_cut_off_is_made_again(
    yaml: Path, alone: dict[str, bytes], tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    for file in (yaml.parent / "alone-scratch").glob("*.arrow"):
        (scratch / file.name).write_bytes(file.read_bytes())
    whole = scratch / "000004.arrow"
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert run(yaml, tmp_path / "out", scratch).bytes == alone


def test_workers_tell_the_first_bad_row(yaml: Path, tmp_path: Path) -> None:
    """Not one of a later batch, which comes up sooner, nor what cannot even be read."""
    rows = labelled(3000)
    rows[1500]["phrase"] = "<|end|>"
    rows[2000] = {}
    bad = write(tmp_path / "bad", CLASSIFY, train=rows)
    with (bad.parent / "train.jsonl").open("a") as lines:
        lines.write("{")
    with pytest.raises(ScaffoldError, match="forge a turn") as caught:
        run(bad, tmp_path / "out", tmp_path / "scratch", workers=2)
    assert caught.value.where == f"{bad.parent / 'train.jsonl'}:1501"
    assert caught.value.exit_code == 2
    assert not list((tmp_path / "out").iterdir())


def test_a_worker_that_is_killed_is_said(yaml: Path, tmp_path: Path) -> None:
    def kill_one(event: object) -> None:
        for child in psutil.Process().children():
            with contextlib.suppress(psutil.Error):  # it may be gone by now
                if "spawn_main" in " ".join(child.cmdline()):
                    child.kill()

    from phi3scaffold.datasets.preparation import prepare
    from phi3scaffold.datasets.spec import load_spec
    from phi3scaffold.models.catalogue import tiny_folder

    with pytest.raises(ScaffoldError, match="ended from outside") as caught:
        prepare(load_spec(yaml), tiny_folder(), tmp_path, tmp_path / "scratch", kill_one, 1)
    assert caught.value.exit_code == 1


def test_a_worker_that_is_killed_before_it_has_read_its_tasks(yaml: Path, tmp_path: Path) -> None:
    """They fill the pipe to it; a thread that still writes into that must not be waited for."""
    from phi3scaffold.datasets.spec import load_spec
    from phi3scaffold.datasets.worker_pool import WorkerPool
    from phi3scaffold.models.catalogue import tiny_folder

    before = set(psutil.Process().children())
    with WorkerPool(load_spec(yaml), tiny_folder(), tmp_path, 1) as pool:
        asked = pool._begin("make", ("x" * 2**20,))
        (worker,) = [
            child
            for child in set(psutil.Process().children()) - before
            if "spawn_main" in " ".join(child.cmdline())
        ]
        worker.suspend()
        more = [pool._begin("make", ("x" * 2**20,)) for _ in range(3)]
        time.sleep(0.3)
        worker.kill()
        for one in (asked, *more):
            with pytest.raises(BrokenProcessPool):
                one()
