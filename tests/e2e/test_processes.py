"""Several processes train what one trains, and none waits for another that is gone."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from phi3scaffold.project.errors import INTERRUPTED
from tests.conftest import command
from tests.support.ended import all_end
from tests.support.settings import untracked_copy

LIMIT = 120  # seconds; a run that takes longer hangs


@pytest.fixture(scope="module")
def small(tiny_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared project whose last step of an epoch has one row: too few for two processes."""
    folder = untracked_copy(tiny_project, tmp_path_factory.mktemp("ranks") / "proj")
    for name, rows in (("train", 33), ("held-out", 9)):
        file = folder / "datasets" / f"{name}.jsonl"
        file.write_text("".join(file.read_text().splitlines(keepends=True)[:rows]))
    settle(folder, torch_dtype="float32", eval_data_config="validation", lora_dropout=0.0)
    training(folder, num_train_epochs=2, eval_strategy="epoch")
    for made in (folder / "gen-model").glob("[!.]*/"):
        shutil.rmtree(made)
    command("data", cwd=folder)
    return folder


@pytest.fixture
def project(small: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small, tmp_path / "proj", symlinks=True))


@pytest.fixture(scope="module")
def whole(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project after an uninterrupted training of 40 steps with dropout. Read only."""
    folder = Path(shutil.copytree(small, tmp_path_factory.mktemp("whole") / "proj", symlinks=True))
    settle(folder, lora_dropout=0.2)
    training(folder, num_train_epochs=8, per_device_train_batch_size=8)
    end(start(folder))
    return folder


@pytest.fixture
def untrained(whole: Path, tmp_path: Path) -> Path:
    """A copy of `whole` without its adapter."""
    folder = Path(shutil.copytree(whole, tmp_path / "untrained", symlinks=True))
    shutil.rmtree(folder / "gen-model" / "adapter")
    return folder


def is_trained_as(project: Path, wanted: Path) -> None:
    """The weights are equal, and every step was logged once; no checkpoint is left."""
    from safetensors.numpy import load_file

    found, expected = (
        load_file(one / "gen-model" / "adapter" / "adapter_model.safetensors")
        for one in (project, wanted)
    )
    assert found.keys() == expected.keys()
    for name, tensor in found.items():
        assert abs(tensor - expected[name]).max() <= 1e-5, name
    assert [step[:2] for step in logged(project)] == [step[:2] for step in logged(wanted)]
    assert not (project / "gen-model" / ".adapter-partial").exists()


def settle(project: Path, **settings: Any) -> None:
    path = project / "fine-tuning" / "olive-config.json"
    content = json.loads(path.read_text())
    content["passes"]["finetune"].update(settings)
    path.write_text(json.dumps(content))


def training(project: Path, **arguments: Any) -> None:
    path = project / "fine-tuning" / "olive-config.json"
    content = json.loads(path.read_text())
    content["passes"]["finetune"]["training_args"].update(arguments)
    path.write_text(json.dumps(content))


def start(project: Path, *words: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "phi3scaffold", "finetune", *words],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
        start_new_session=True,
    )


def end(process: subprocess.Popen[str], code: int = 0) -> str:
    """What it printed, once it has ended; nothing of it is left."""
    try:
        out, err = process.communicate(timeout=LIMIT)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == code, out + err
    assert "Traceback" not in err
    return out + err


def nodes(*projects: Path, words: tuple[str, ...] = ()) -> list[subprocess.Popen[str]]:
    """`finetune` by a rank in each project, with the environment that Azure ML sets."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return [
        start(
            project,
            *words,
            RANK=str(rank),
            LOCAL_RANK="0",
            NODE_RANK=str(rank),
            WORLD_SIZE=str(len(projects)),
            MASTER_ADDR="127.0.0.1",
            MASTER_PORT=str(port),
        )
        for rank, project in enumerate(projects)
    ]


def facts(project: Path) -> dict[str, Any]:
    made = json.loads((project / "gen-model" / "adapter" / "manifest.json").read_text())
    return dict(made["facts"])


def logged(project: Path) -> list[tuple[int, str, float]]:
    history = json.loads((project / "gen-model" / "adapter" / "history.json").read_text())
    found = [(e["step"], k, e[k]) for e in history for k in ("loss", "eval_loss") if k in e]
    assert found
    return found


def until(condition: Callable[[], Any]) -> Any:
    limit = time.monotonic() + LIMIT
    while time.monotonic() < limit:
        found = condition()
        if found:
            return found
        time.sleep(0.005)
    pytest.fail("it never came to that")


def test_two_processes_train_what_one_trains(project: Path) -> None:
    """Every logged step, the held-out loss, the tokens."""
    training(project, per_device_train_batch_size=16)
    end(start(project))
    one, tokens = logged(project), facts(project)["tokens"]
    assert [step for step, key, _ in one if key == "loss"] == [1, 2, 3, 4, 5, 6]
    training(project, per_device_train_batch_size=8)
    told = end(start(project, "--nproc", "2"))
    assert "2 processes train together" in told
    assert told.count("summary") == 1
    assert [step[:2] for step in logged(project)] == [step[:2] for step in one]
    for (step, key, found), (_, _, wanted) in zip(logged(project), one, strict=True):
        assert found == pytest.approx(wanted, abs=1e-3), (step, key)
    assert facts(project)["tokens"] == tokens
    assert facts(project)["processes"] == 2
    assert not list((project / "gen-model").glob(".[wma]*"))  # scratch, mark, checkpoints
    assert "finetune: up to date" in end(start(project, "--nproc", "2"))


def test_a_rank_that_is_killed_ends_all(project: Path) -> None:
    training(project, num_train_epochs=1000)
    run = start(project, "--nproc", "2")

    def trains() -> psutil.Process | None:
        for process in psutil.Process(run.pid).children(recursive=True):
            try:
                if "phi3scaffold.stages.worker" in process.cmdline():
                    given = process.environ()
                    if given.get("RANK") == "1" and process.cpu_times().user > 2:
                        return process
            except psutil.Error:
                continue
        return None

    until(trains).kill()
    told = end(run, 1)
    assert told.count("error:") == 1
    assert "error: Rank 1 failed: The stage was ended from outside (SIGKILL)" in told


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a child looks for its parent")
def test_nothing_is_left_of_a_killed_run(project: Path) -> None:
    """Two ranks and their children end within two seconds; the next run finds nobody at work."""
    training(project, num_train_epochs=1000)
    run = start(project, "--nproc", "2")

    def family() -> list[psutil.Process]:
        found = psutil.Process(run.pid).children(recursive=True)
        workers = [one for one in found if "phi3scaffold.stages.worker" in one.cmdline()]
        trains = len(workers) == 2 and all(one.cpu_times().user > 1 for one in workers)
        return found if trains else []

    try:
        children = until(family)
    finally:
        run.kill()
        run.wait()
    assert all_end(children)
    training(project, num_train_epochs=1)
    end(start(project))


def test_a_killed_training_goes_on(untrained: Path, whole: Path) -> None:
    """From its last whole checkpoint, to the adapter of an uninterrupted run, dropout on.

    tests/targets/azureml/test_ranks.py does the same with two processes.
    """
    project = untrained
    settings = project / "project.yaml"
    settings.write_text(settings.read_text() + "\ncheckpoint_minutes: 0.000001\n")  # each step

    kept = project / "gen-model" / ".adapter-partial"
    killed = start(project)
    until(lambda: len(list(kept.glob("*/*/step-*/manifest.json"))) == 2)
    processes = psutil.Process(killed.pid).children(recursive=True)
    for process in [psutil.Process(killed.pid), *processes]:
        process.kill()
    killed.communicate()
    found = kept.glob("*/*/step-*/manifest.json")
    saved = sorted(found, key=lambda path: int(path.parent.name[5:]))
    if len(saved) == 2:  # else the last is half written as it is
        broken = saved.pop().parent / "optimizer.pt"
        broken.write_bytes(broken.read_bytes()[:-100] + bytes(100))

    told = end(start(project))
    assert f"resumes after step {saved[-1].parent.name[5:]} " in told
    is_trained_as(project, whole)


@pytest.mark.skipif(os.name == "nt", reason="a test cannot send Ctrl-C to another console there")
def test_a_training_goes_on_after_ctrl_c(untrained: Path, whole: Path) -> None:
    """At random steps, by no checkpoint but the one that Ctrl-C leaves; as a terminal sends it."""
    settings = untrained / "project.yaml"
    settings.write_text(settings.read_text() + "\ncheckpoint_minutes: null\n")
    chance = random.Random(19)
    last = 0
    for moment in sorted(chance.sample(range(2, 36), 3)):
        log = untrained / "gen-model" / "logs" / "run.log"
        log.unlink(missing_ok=True)
        run = start(untrained)

        def trains(left: int = moment - last, log: Path = log) -> bool:
            return log.exists() and log.read_text().count("'loss'") >= left

        until(trains)
        time.sleep(chance.random() / 10)
        os.killpg(run.pid, signal.SIGINT)
        told = end(run, INTERRUPTED)
        assert f"resumes after step {last} " in told or not last
        reached = re.search(r"interrupted after step (\d+) of 40, which is saved", told)
        assert reached, told
        assert "run the same command again: phi3scaffold finetune" in told
        assert not (untrained / "gen-model" / "adapter").exists()
        assert int(reached[1]) >= moment > last
        last = int(reached[1])
    assert f"resumes after step {last} " in end(start(untrained))
    is_trained_as(untrained, whole)


def test_nodes_that_are_not_alike_are_refused(project: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(project, tmp_path / "other", symlinks=True))
    training(other, learning_rate=0.5)
    first, second = nodes(project, other)
    told = end(first, 1)
    assert "Rank 1 failed: Its rows, settings or packages are not those of rank 0." in told
    assert end(second, 1) == ""


def test_half_an_environment_is_refused(project: Path) -> None:
    told = end(start(project, RANK="0", WORLD_SIZE="2"), 2)
    assert "MASTER_ADDR=" in told
    assert "--nproc" in told
