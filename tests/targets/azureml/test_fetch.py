"""What a job made comes back whole or not at all, in little memory, over connections that break."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.azure.blobs import STORE
from tests.support.azure.loopback import Loopback
from tests.targets.azureml.conftest import Run, command_of
from tests.targets.azureml.helpers import form, the_job, wait_for


def test_a_corrupted_download_is_refused(azure: Loopback, run: Run, project: Path) -> None:
    """Nothing of it appears, and what was there stays."""
    command_of(project, form("adapter", {"weights.bin": "good"}))
    run("run")
    weights = project / "gen-model" / "adapter" / "weights.bin"
    assert weights.read_text() == "good"
    weights.write_text("mine")
    blob = f"azureml/{the_job(project)}/results/adapter/weights.bin"
    azure.blobs.container(STORE).upload_blob(blob, b"evil", overwrite=True)
    done = run("fetch", "adapter", check=False)
    assert done.returncode == 1
    assert "weights.bin is not what the manifest says" in done.stderr
    assert weights.read_text() == "mine"
    assert not (project / "gen-model" / ".work").exists()


def test_a_manifest_stays_in_its_folder(run: Run, project: Path) -> None:
    name = "a/../../outside"
    command_of(project, form("adapter", {"weights.bin": "good"}, {"weights.bin": name}))
    done = run("run", check=False)
    assert done.returncode == 1
    assert "cannot be understood" in done.stderr
    assert not (project / "gen-model" / "outside").exists()


MEASURED = """
import sys
import azure.ai.ml, azure.identity, azure.storage.blob
from phi3scaffold.__main__ import VERBS
from phi3scaffold.cli import main
def status(name):
    line = next(l for l in open("/proc/self/status") if l.startswith(name))
    return int(line.split()[1]) << 10
before = status("VmRSS")
ended = main(VERBS, ["run"])
print(status("VmHWM") - before)
sys.exit(ended)
"""


def test_a_large_form_is_never_in_memory_as_a_whole(azure: Loopback, project: Path) -> None:
    size = 200 << 20
    script = f"head -c {size} /dev/zero > $D/weights.bin"
    command_of(project, form("adapter", {"weights.bin": None}, make=script))
    done = subprocess.run(
        [sys.executable, "-c", MEASURED],
        cwd=project,
        capture_output=True,
        text=True,
        env=azure.environment,
    )
    assert done.returncode == 0, done.stderr
    assert (project / "gen-model" / "adapter" / "weights.bin").stat().st_size == size
    assert int(done.stdout.splitlines()[-1]) < 80 << 20


def test_a_download_that_breaks_off_is_taken_up_again_or_changes_nothing(
    azure: Loopback, run: Run, project: Path
) -> None:
    """Connections break in the middle of a piece: some of them first, then every one."""
    size = 20 << 20
    script = f"head -c {size} /dev/urandom > $D/weights.bin"
    command_of(project, form("adapter", {"weights.bin": None}, make=script))
    run("submit", "--detach")
    wait_for(azure, project, "Completed")
    azure.proxy.short[:], azure.proxy.broken = [1 << 20, 5 << 20, 2 << 20, 1 << 30], 0
    run("fetch", "adapter")
    assert azure.proxy.broken == 3
    weights = project / "gen-model" / "adapter" / "weights.bin"
    assert weights.stat().st_size == size
    weights.write_text("mine")
    azure.proxy.short[:] = [3 << 20]
    done = run("fetch", "adapter", check=False)
    assert done.returncode == 1
    assert azure.proxy.broken > 4  # it was tried again
    assert "Azure does not answer" in done.stderr
    assert "Traceback" not in done.stderr
    assert weights.read_text() == "mine"
    assert not (project / "gen-model" / ".work").exists()
