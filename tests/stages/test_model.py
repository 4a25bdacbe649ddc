"""The base model's way into a project from a hub, which here is one on the loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from phi3scaffold.models import base_files, model_lock
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.settings import Project
from phi3scaffold.stages import model
from tests.support.hub_server import HubServer
from tests.support.phi3_files import phi3_files, project_for, write

# huggingface_hub writes a download in pieces of 10 MB: shorter ones start again.
PIECE = 10_000_000
REPO = "someone/phi-3-copy"
FETCH = """
import json, sys
from pathlib import Path
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.settings import load_project
from phi3scaffold.models import base_files, model_lock
project = load_project(Path(sys.argv[1]))
out = Path(sys.argv[2]); out.mkdir()
seen = []
try:
    weights = sys.argv[3] == "whole"
    base_files.fetch_base(project, out, weights=weights, progress=lambda *event: seen.append(event))
except ScaffoldError as error:
    print(json.dumps({"code": error.exit_code, "text": str(error)}))
else:
    print(json.dumps({"code": 0, "files": sorted(p.name for p in out.iterdir()), "seen": seen}))
"""


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server


def fetch(
    project: Project, hub: HubServer, name: str = "out", what: str = "whole", **env: str
) -> dict:
    """Fetch in a process of its own: huggingface_hub reads its environment once."""
    root = project.root
    result = subprocess.run(
        [sys.executable, "-c", FETCH, str(root), str(root / name), what],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(root / "hf-home"),
            "HF_HUB_DOWNLOAD_TIMEOUT": "5",
            **env,
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def test_downloads_only_data_and_writes_the_lock(tmp_path: Path, hub: HubServer) -> None:
    code = {"modeling_phi3.py": b"import os", "pytorch_model.bin": b"pickle", "onnx/a.json": b"{}"}
    commit = hub.add(REPO).commit({**phi3_files(5000), **code})
    project = project_for(tmp_path, REPO)
    result = fetch(project, hub)
    assert result["files"] == sorted([*phi3_files(), "model.lock"])
    assert not {"modeling_phi3.py", "pytorch_model.bin", "onnx/a.json"} & set(hub.downloads())
    lock = model_lock.read_lock(project.lock)
    assert lock and (lock.id, lock.revision, lock.commit) == (REPO, "main", commit)
    assert list(lock.sha256) == ["model.safetensors"]
    what, done, total = result["seen"][-1]
    assert (what, done) == ("downloading", total)


def test_a_look_at_the_rows_needs_no_weights(tmp_path: Path, hub: HubServer) -> None:
    commit = hub.add(REPO).commit(phi3_files(5000))
    project = project_for(tmp_path, REPO)
    result = fetch(project, hub, "tokenizer", "without weights")
    small = [name for name in phi3_files() if not name.endswith(".safetensors")]
    assert result["files"] == sorted([*small, "model.lock"])
    assert "model.safetensors" not in hub.downloads()
    lock = model_lock.read_lock(project.lock)
    assert lock and lock.commit == commit
    hub.requests.clear()
    assert "model.safetensors" in fetch(project, hub, "base")["files"]
    assert not set(small) & set(hub.downloads())  # what is there is not fetched again


def test_the_lock_holds_when_the_branch_moves(tmp_path: Path, hub: HubServer) -> None:
    repository = hub.add(REPO)
    first = repository.commit(phi3_files())
    project = project_for(tmp_path, REPO)
    fetch(project, hub)
    second = repository.commit(phi3_files(vocab_size=1024))
    fetch(project, hub, "again")
    config = json.loads((tmp_path / "again" / "config.json").read_text())
    assert config["vocab_size"] == 512
    project.lock.unlink()
    fetch(project, hub, "anew")
    lock = model_lock.read_lock(project.lock)
    assert lock and lock.commit == second != first
    assert json.loads((tmp_path / "anew" / "config.json").read_text())["vocab_size"] == 1024


def test_another_revision_makes_another_lock(tmp_path: Path, hub: HubServer) -> None:
    repository = hub.add(REPO)
    old = repository.commit(phi3_files(vocab_size=1024), branch="old")
    repository.commit(phi3_files())
    fetch(project_for(tmp_path, REPO), hub)
    project = project_for(tmp_path, REPO, revision="old")
    fetch(project, hub, "again")
    lock = model_lock.read_lock(project.lock)
    assert lock and lock.commit == old


def test_a_cut_download_goes_on_where_it_stopped(tmp_path: Path, hub: HubServer) -> None:
    files = phi3_files(6_000_000)
    hub.add(REPO).commit(files)
    project = project_for(tmp_path, REPO)
    hub.cut(after=15_000_000, times=1)
    result = fetch(project, hub)
    assert result["code"] == 0
    ranges = [r for method, path, r in hub.requests if path.endswith("model.safetensors") and r]
    assert ranges and int(ranges[-1].removeprefix("bytes=").rstrip("-")) > 0
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == files["model.safetensors"]


def test_a_killed_run_leaves_its_bytes_to_the_next(tmp_path: Path, hub: HubServer) -> None:
    files = phi3_files(6_000_000)
    commit = hub.add(REPO).commit(files)
    project = project_for(tmp_path, REPO)
    hub.stall_after = 15_000_000
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path / "hf-home"),
    }
    command = [sys.executable, "-c", FETCH, str(tmp_path), str(tmp_path / "killed"), "whole"]
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL) as process:
        folder = project.base.parent / f"{base_files.PARTIAL}{commit}"
        part = folder / "model.safetensors.part"
        while not part.is_file() or part.stat().st_size < PIECE:
            assert process.poll() is None
        process.kill()
    hub.resume()
    hub.requests.clear()
    assert fetch(project, hub)["code"] == 0
    ranges = [r for method, path, r in hub.requests if path.endswith("model.safetensors") and r]
    assert ranges and int(ranges[0].removeprefix("bytes=").rstrip("-")) > 0
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == files["model.safetensors"]


def test_what_was_fetched_is_not_fetched_again(tmp_path: Path, hub: HubServer) -> None:
    hub.add(REPO).commit(phi3_files())
    project = project_for(tmp_path, REPO)
    fetch(project, hub)
    (tmp_path / "out").rename(project.base)
    hub.requests.clear()
    assert fetch(project, hub, "again")["code"] == 0
    assert hub.requests == []
    hub.repositories.clear()
    assert fetch(project, hub, "offline", HF_HUB_OFFLINE="1")["code"] == 0


def test_inputs_clear_a_published_download(tmp_path: Path, hub: HubServer) -> None:
    hub.add(REPO).commit(phi3_files())
    project = project_for(tmp_path, REPO)
    fetch(project, hub)
    assert list(project.base.parent.glob(f"{base_files.PARTIAL}*"))
    (tmp_path / "out").rename(project.base)
    assert model.inputs(project) == model.inputs(project)
    assert not list(project.base.parent.glob(f"{base_files.PARTIAL}*"))


@pytest.mark.parametrize("token", [None, "hf_" + "a" * 8])
def test_gated(tmp_path: Path, hub: HubServer, token: str | None) -> None:
    hub.add(REPO).commit(phi3_files())
    hub.repositories[REPO].gated = True
    result = fetch(project_for(tmp_path, REPO), hub, **({"HF_TOKEN": token} if token else {}))
    assert result["code"] == 2
    assert "gated" in result["text"] and f"{hub.url}/{REPO}" in result["text"]
    assert not (tmp_path / "model.lock").exists()


def test_a_refused_token_and_an_accepted_one(tmp_path: Path, hub: HubServer) -> None:
    good = "hf_" + "b" * 8
    hub.add(REPO).commit(phi3_files())
    hub.repositories[REPO].token = good
    project = project_for(tmp_path, REPO)
    refused = fetch(project, hub, HF_TOKEN="hf_" + "c" * 8)
    assert refused["code"] == 2 and "does not accept the token" in refused["text"]
    assert "hf_" + "c" * 8 not in refused["text"]
    assert fetch(project, hub, "again", HF_TOKEN=good)["code"] == 0
    kept = [p for p in tmp_path.rglob("*") if p.is_file() and "hf-home" not in p.parts]
    assert not any(good.encode() in p.read_bytes() for p in kept)


def test_a_missing_repository(tmp_path: Path, hub: HubServer) -> None:
    result = fetch(project_for(tmp_path, "someone/nothing"), hub)
    assert result["code"] == 2 and "does not exist" in result["text"]


def test_a_missing_revision(tmp_path: Path, hub: HubServer) -> None:
    hub.add(REPO).commit(phi3_files())
    result = fetch(project_for(tmp_path, REPO, revision="v9"), hub)
    assert result["code"] == 2 and "no revision 'v9'" in result["text"]


def test_no_network(tmp_path: Path, hub: HubServer) -> None:
    result = fetch(project_for(tmp_path, REPO), hub, HF_ENDPOINT="http://127.0.0.1:9")
    assert result["code"] == 1 and "cannot be reached" in result["text"]


def test_offline_and_nothing_here(tmp_path: Path, hub: HubServer) -> None:
    result = fetch(project_for(tmp_path, REPO), hub, HF_HUB_OFFLINE="1")
    assert result["code"] == 2 and "HF_HUB_OFFLINE" in result["text"]
    assert hub.requests == []


def test_offline_takes_the_hubs_own_cache(tmp_path: Path, hub: HubServer) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    cache = tmp_path / "hf-home" / "hub" / f"models--{REPO.replace('/', '--')}"
    (cache / "refs").mkdir(parents=True)
    (cache / "refs" / "main").write_text(commit)
    write(cache / "snapshots" / commit, phi3_files())
    project = project_for(tmp_path, REPO)
    assert fetch(project, hub, HF_HUB_OFFLINE="1")["code"] == 0
    lock = model_lock.read_lock(project.lock)
    assert lock and lock.commit == commit


def test_pickles_are_refused_before_the_download(tmp_path: Path, hub: HubServer) -> None:
    files = phi3_files()
    del files["model.safetensors"]
    hub.add(REPO).commit({**files, "pytorch_model.bin": b"pickle"})
    result = fetch(project_for(tmp_path, REPO), hub)
    assert result["code"] == 2 and "pickles" in result["text"]
    assert hub.downloads() == []


def test_a_sentencepiece_model_alone_is_refused_before_the_download(
    tmp_path: Path, hub: HubServer
) -> None:
    files = {**phi3_files(), "tokenizer.model": b"x"}
    del files["tokenizer.json"]
    hub.add(REPO).commit(files)
    result = fetch(project_for(tmp_path, REPO), hub)
    assert result["code"] == 2 and f"hf download {REPO} --local-dir my-model" in result["text"]
    assert hub.downloads() == []


def test_quantized_weights_are_refused_before_their_download(
    tmp_path: Path, hub: HubServer
) -> None:
    settings = {"quant_method": "awq", "bits": 4}
    hub.add(REPO).commit(phi3_files(quantization_config=settings))
    result = fetch(project_for(tmp_path, REPO), hub)
    assert result["code"] == 2 and "quantized (AWQ, 4-bit)" in result["text"]
    assert hub.downloads() == ["config.json"]


def test_another_architecture_is_refused_before_its_weights(tmp_path: Path, hub: HubServer) -> None:
    hub.add(REPO).commit(phi3_files(architectures=["GPT2LMHeadModel"]))
    result = fetch(project_for(tmp_path, REPO), hub)
    assert result["code"] == 2 and "GPT2LMHeadModel" in result["text"]
    assert hub.downloads() == ["config.json"]


def test_a_damaged_download_is_found(tmp_path: Path, hub: HubServer) -> None:
    commit = hub.add(REPO).commit(phi3_files(5000))
    project = project_for(tmp_path, REPO)
    partial = project.base.parent / f"{base_files.PARTIAL}{commit}"
    fetch(project, hub)
    weights = partial / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.unlink()  # the one in out/ is the same file
    weights.write_bytes(content)
    result = fetch(project, hub, "again")
    assert result["code"] == 1 and "not what" in result["text"]
    assert fetch(project, hub, "anew")["code"] == 0


@pytest.mark.parametrize("content", ["", "[]", '{"id": "a"}'])
def test_a_spoiled_lock_is_refused(tmp_path: Path, content: str) -> None:
    project = project_for(tmp_path, REPO)
    project.lock.write_text(content)
    with pytest.raises(ScaffoldError, match=r"model\.lock"):
        model_lock.pin(project)
