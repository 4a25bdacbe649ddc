"""Folders, disks, paths, programs, variables."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from phi3scaffold.checks.doctor.paths import problems
from phi3scaffold.project.settings import load_project
from phi3scaffold.stages.graph import STAGES, up_to
from phi3scaffold.targets.doctor_context import DoctorContext
from tests.checks.doctor.conftest import Make, doctor, program, said, write

See = Callable[..., DoctorContext]
MINI = "microsoft/Phi-3-mini-4k-instruct"


def forbid(folder: Path) -> None:
    """Let nobody write there; root may write anywhere but where the system has no files to make."""
    shutil.rmtree(folder)
    if os.geteuid():
        folder.mkdir(mode=0o555)
    else:
        folder.symlink_to("/proc/self/fdinfo")


@pytest.mark.skipif(not Path("/proc/self/fdinfo").is_dir(), reason="/proc")
def test_folders_that_cannot_be_written_to(project: Make, tmp_path: Path) -> None:
    root = project()
    (tmp_path / "closed").mkdir()
    forbid(root / "gen-model")
    forbid(tmp_path / "closed")
    closed = str(tmp_path / "closed")
    found = doctor(root, "--only", "writable", code=1, HF_HOME=f"{closed}/hf", TMPDIR=closed)
    wrong = {one["where"]: one["fix"] for one in found["of"]["writable"]}
    assert all(one["state"] == "error" for one in found["of"]["writable"])
    assert wrong[str(root / "gen-model")] == f'sudo chown -R "$(id -u):$(id -g)" "{root}"'
    assert wrong[closed] == "set HF_HOME to a folder of your own"
    assert str(root) not in wrong


def test_the_disk_has_to_hold_what_is_not_made_yet(
    project: Make, context: See, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = project()
    usage = shutil.disk_usage(root)
    for free, state in ((100, "ok"), (10, "error")):
        monkeypatch.setattr(
            shutil, "disk_usage", lambda _, free=free: usage._replace(free=free << 30)
        )
        told = said("disk", context(root))[0]
        assert told.state == state
        assert f"{free}.0 GiB are free" in told.what
    # a merged model as large as the base, int4 of nine tenths (and the quantized one before it)
    weights = 2 * 3_821_079_552
    here = load_project(root)
    (root / "model-cache/base").mkdir(parents=True)
    with (root / "model-cache/base/model.safetensors").open("wb") as file:
        file.truncate(weights)  # a hole: it takes no disk
    stages = [STAGES[name] for name in up_to("report")]  # all of `phi3scaffold run`
    needed = sum(stage.resources.disk(here, weights) for stage in stages if stage.wanted(here))
    assert needed < 2 * weights
    told = said("disk", context(root))[0]
    assert f"{needed / 2**30:.1f} GiB are still needed at most" in told.what


def test_a_project_of_the_cloud_needs_room_for_what_is_brought_back(
    sound: Make, context: See, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=9 << 30))
    assert said("disk", context(sound("aml", MINI)))[0].state == "ok"
    assert said("disk", context(sound("cuda", MINI)))[0].state == "error"


def test_a_nearly_full_disk_outside_of_a_project(
    tmp_path: Path, context: See, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=5 << 20))
    assert said("disk", context(tmp_path))[0].state == "warning"


LONG = Path("C:/" + "a" * 100)


@pytest.mark.parametrize(
    ("folder", "windows", "long", "state", "words"),
    [
        (LONG, True, False, "error", "the 260 that Windows takes"),
        (LONG, True, True, None, ""),
        (Path("C:/p"), True, False, None, ""),
        (Path("/home/me/a:b/proj"), False, True, "error", "no virtual environment"),
        (Path("/home/me/my projects/ü"), False, True, None, ""),
        (Path("C:/Users/me/OneDrive - Contoso/p"), True, True, "warning", "uploaded"),
        (Path("/Users/me/Library/Mobile Documents/p"), False, True, "warning", "uploaded"),
    ],
)
def test_paths(folder: Path, windows: bool, long: bool, state: str | None, words: str) -> None:
    found = list(problems(folder, windows=windows, long=long))
    assert [one.state for one in found] == ([state] if state else [])
    assert all(words in one.what for one in found)


def test_a_disk_of_windows_in_wsl(root: Path) -> None:
    write(root / "proc" / "version", "Linux version 5.15.0-microsoft-standard-WSL2\n")
    (told,) = problems(Path("/mnt/c/proj"), windows=False, long=True)
    assert told.state == "warning"
    write(root / "proc" / "version", "Linux version 6.1.0\n")
    assert list(problems(Path("/mnt/c/proj"), windows=False, long=True)) == []


def test_another_encoding_than_utf_8(tmp_path: Path) -> None:
    found = doctor(
        tmp_path, "--only", "encoding", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0"
    )
    (told,) = found["of"]["encoding"]
    assert told["state"] == "warning"
    assert "PYTHONUTF8=1" in told["fix"]
    found = doctor(tmp_path, "--only", "encoding", LC_ALL="C", PYTHONUTF8="1", code=0)
    assert found["of"]["encoding"][0]["state"] == "ok"


def test_without_git_and_make(sound: Make, tmp_path: Path) -> None:
    words = ("--offline", "--only", "git", "--only", "make", "--only", "wheel")
    found = doctor(sound(), *words, PATH=str(tmp_path), code=0)
    assert found["of"]["git"][0]["state"] == "warning"
    (make,) = found["of"]["make"]
    assert make["state"] == "note"
    assert "instead of make setup: sh setup/setup.sh; of make finetune: .venv/bin" in make["fix"]


@pytest.mark.parametrize(
    ("script", "state", "words"),
    [
        ("echo git version 2.25.1", "warning", "git 2.25.1 is too old"),
        ("exit 1", "warning", "does not start"),
        ('[ "$1" = --version ] && echo git version 2.43.0.windows.1', "note", "know your name"),
        ("echo git version 2.43.0", "ok", "git 2.43.0"),
    ],
)
def test_git(
    script: str,
    state: str,
    words: str,
    tmp_path: Path,
    context: See,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program(tmp_path / "bin", "git", script)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (told,) = said("git", context(tmp_path))
    assert told.state == state
    assert words in told.what


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("HTTPS_PROXY", "http://proxy:eighty", "HTTPS_PROXY is no address"),
        ("https_proxy", "ftp://proxy:80", "https_proxy is no address"),
        ("HF_ENDPOINT", "hub.example/", None),
        ("ALL_PROXY", "socks5://proxy:1080", "socksio is not installed"),
        ("HF_ENDPOINT", "file:///hub", "HF_ENDPOINT is no address"),
        ("SSL_CERT_FILE", "/nowhere/ca.pem", "names a file that is not there"),
        ("HTTPS_PROXY", "http://me:hunter2@proxy:8080", None),
        ("HTTPS_PROXY", "proxy:8080", None),
    ],
)
def test_variables_that_lead_nowhere(
    name: str,
    value: str,
    words: str | None,
    tmp_path: Path,
    context: See,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(name, value)
    found = said("network-settings", context(tmp_path))
    wrong = [one.what for one in found if one.state == "error"]
    assert (not wrong) if words is None else words in wrong[0]
    assert "hunter2" not in str(found)


def test_in_the_cloud_the_job_fetches_the_model(project: Make, context: See) -> None:
    root = project("aml")
    (told,) = said("model", context(root))
    assert "is not here yet; the job fetches it" in told.what
    lock = {"id": MINI, "revision": "main", "source": "hub", "commit": "0" * 40}
    (root / "model.lock").write_text(json.dumps(lock))
    assert said("model", context(root))[0].what == f"{MINI}: the job fetches it"
    assert "the job fetches it" in said("hub", context(root))[0].what  # and nobody is asked


def test_a_base_model_that_is_half_there(sound: Make, project: Make, context: See) -> None:
    assert "is here" in said("model", context(sound()))[0].what
    root = project(model="tiny")
    (root / "model-cache/base/tokenizer.json").unlink()
    (told,) = said("model", context(root))
    assert (told.state, told.fix) == ("error", "phi3scaffold model")
    shutil.rmtree(root / "model-cache" / "base")
    (told,) = said("model", context(root))
    assert (told.state, told.what) == ("ok", "tiny comes with this package")
    settings = (root / "project.yaml").read_text().replace('"tiny"', "./nowhere")
    (root / "project.yaml").write_text(settings)
    (told,) = said("model", context(root))
    assert (told.state, "folder does not exist" in told.what) == ("error", True)
