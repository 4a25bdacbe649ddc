"""The base model's way into a project: from the package, a folder, and a hub on the loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from phi3scaffold.errors import ScaffoldError
from phi3scaffold.project import Project, load_project
from phi3scaffold.runtime.stages import model
from tests.support.hub_server import HubServer
from tests.support.phi3_files import phi3_files

# huggingface_hub writes a download in pieces of 10 MB: shorter ones start again.
PIECE = 10_000_000
REPO = "someone/phi-3-copy"
FETCH = """
import json, sys
from pathlib import Path
from phi3scaffold.errors import ScaffoldError
from phi3scaffold.project import load_project
from phi3scaffold.runtime.stages import model
project = load_project(Path(sys.argv[1]))
out = Path(sys.argv[2]); out.mkdir()
seen = []
try:
    model.fetch_base(project, out, progress=lambda *event: seen.append(event))
except ScaffoldError as error:
    print(json.dumps({"code": error.exit_code, "text": str(error)}))
else:
    print(json.dumps({"code": 0, "files": sorted(p.name for p in out.iterdir()), "seen": seen}))
"""


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server


def project_for(root: Path, model_id: str = REPO, revision: str = "main") -> Project:
    (root / "model-cache").mkdir(parents=True, exist_ok=True)
    text = f"model:\n  id: {model_id}\n  revision: {revision}\ntarget: cpu\n"
    (root / "project.yaml").write_text(text, encoding="utf-8")
    return load_project(root)


def fetch(project: Project, hub: HubServer, name: str = "out", **env: str) -> dict:
    """Fetch in a process of its own: huggingface_hub reads its environment once."""
    root = project.root
    result = subprocess.run(
        [sys.executable, "-c", FETCH, str(root), str(root / name)],
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
    project = project_for(tmp_path)
    result = fetch(project, hub)
    assert result["files"] == sorted([*phi3_files(), "model.lock"])
    assert not {"modeling_phi3.py", "pytorch_model.bin", "onnx/a.json"} & set(hub.downloads())
    lock = model.read_lock(project.lock)
    assert lock and (lock.id, lock.revision, lock.commit) == (REPO, "main", commit)
    assert list(lock.sha256) == ["model.safetensors"]
    what, done, total = result["seen"][-1]
    assert (what, done) == ("downloading", total)


def test_the_lock_holds_when_the_branch_moves(tmp_path: Path, hub: HubServer) -> None:
    repository = hub.add(REPO)
    first = repository.commit(phi3_files())
    project = project_for(tmp_path)
    fetch(project, hub)
    second = repository.commit(phi3_files(vocab_size=1024))
    fetch(project, hub, "again")
    config = json.loads((tmp_path / "again" / "config.json").read_text())
    assert config["vocab_size"] == 512
    project.lock.unlink()
    fetch(project, hub, "anew")
    lock = model.read_lock(project.lock)
    assert lock and lock.commit == second != first
    assert json.loads((tmp_path / "anew" / "config.json").read_text())["vocab_size"] == 1024


def test_another_revision_makes_another_lock(tmp_path: Path, hub: HubServer) -> None:
    repository = hub.add(REPO)
    old = repository.commit(phi3_files(vocab_size=1024), branch="old")
    repository.commit(phi3_files())
    fetch(project_for(tmp_path), hub)
    project = project_for(tmp_path, revision="old")
    fetch(project, hub, "again")
    lock = model.read_lock(project.lock)
    assert lock and lock.commit == old


def test_a_cut_download_goes_on_where_it_stopped(tmp_path: Path, hub: HubServer) -> None:
    files = phi3_files(6_000_000)
    hub.add(REPO).commit(files)
    project = project_for(tmp_path)
    hub.cut(after=15_000_000, times=1)
    result = fetch(project, hub)
    assert result["code"] == 0
    ranges = [r for method, path, r in hub.requests if path.endswith("model.safetensors") and r]
    assert ranges and int(ranges[-1].removeprefix("bytes=").rstrip("-")) > 0
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == files["model.safetensors"]


def test_a_killed_run_leaves_its_bytes_to_the_next(tmp_path: Path, hub: HubServer) -> None:
    files = phi3_files(6_000_000)
    commit = hub.add(REPO).commit(files)
    project = project_for(tmp_path)
    hub.stall_after = 15_000_000
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path / "hf-home"),
    }
    command = [sys.executable, "-c", FETCH, str(tmp_path), str(tmp_path / "killed")]
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL) as process:
        folder = project.base.parent / f"{model.PARTIAL}{commit}"
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
    project = project_for(tmp_path)
    fetch(project, hub)
    (tmp_path / "out").rename(project.base)
    hub.requests.clear()
    assert fetch(project, hub, "again")["code"] == 0
    assert hub.requests == []
    hub.repositories.clear()
    assert fetch(project, hub, "offline", HF_HUB_OFFLINE="1")["code"] == 0


def test_inputs_clear_a_published_download(tmp_path: Path, hub: HubServer) -> None:
    hub.add(REPO).commit(phi3_files())
    project = project_for(tmp_path)
    fetch(project, hub)
    assert list(project.base.parent.glob(f"{model.PARTIAL}*"))
    (tmp_path / "out").rename(project.base)
    assert model.inputs(project) == model.inputs(project)
    assert not list(project.base.parent.glob(f"{model.PARTIAL}*"))


@pytest.mark.parametrize("token", [None, "hf_" + "a" * 8])
def test_gated(tmp_path: Path, hub: HubServer, token: str | None) -> None:
    hub.add(REPO).commit(phi3_files())
    hub.repositories[REPO].gated = True
    result = fetch(project_for(tmp_path), hub, **({"HF_TOKEN": token} if token else {}))
    assert result["code"] == 2
    assert "gated" in result["text"] and f"{hub.url}/{REPO}" in result["text"]
    assert not (tmp_path / "model.lock").exists()


def test_a_refused_token_and_an_accepted_one(tmp_path: Path, hub: HubServer) -> None:
    good = "hf_" + "b" * 8
    hub.add(REPO).commit(phi3_files())
    hub.repositories[REPO].token = good
    project = project_for(tmp_path)
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
    result = fetch(project_for(tmp_path, revision="v9"), hub)
    assert result["code"] == 2 and "no revision 'v9'" in result["text"]


def test_no_network(tmp_path: Path, hub: HubServer) -> None:
    result = fetch(project_for(tmp_path), hub, HF_ENDPOINT="http://127.0.0.1:9")
    assert result["code"] == 1 and "cannot be reached" in result["text"]


def test_offline_and_nothing_here(tmp_path: Path, hub: HubServer) -> None:
    result = fetch(project_for(tmp_path), hub, HF_HUB_OFFLINE="1")
    assert result["code"] == 2 and "HF_HUB_OFFLINE" in result["text"]
    assert hub.requests == []


def test_offline_takes_the_hubs_own_cache(tmp_path: Path, hub: HubServer) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    cache = tmp_path / "hf-home" / "hub" / f"models--{REPO.replace('/', '--')}"
    (cache / "refs").mkdir(parents=True)
    (cache / "refs" / "main").write_text(commit)
    write(cache / "snapshots" / commit, phi3_files())
    project = project_for(tmp_path)
    assert fetch(project, hub, HF_HUB_OFFLINE="1")["code"] == 0
    lock = model.read_lock(project.lock)
    assert lock and lock.commit == commit


def test_pickles_are_refused_before_the_download(tmp_path: Path, hub: HubServer) -> None:
    files = phi3_files()
    del files["model.safetensors"]
    hub.add(REPO).commit({**files, "pytorch_model.bin": b"pickle"})
    result = fetch(project_for(tmp_path), hub)
    assert result["code"] == 2 and "pickles" in result["text"]
    assert hub.downloads() == []


def test_another_architecture_is_refused_before_its_weights(tmp_path: Path, hub: HubServer) -> None:
    hub.add(REPO).commit(phi3_files(architectures=["LlamaForCausalLM"]))
    result = fetch(project_for(tmp_path), hub)
    assert result["code"] == 2 and "LlamaForCausalLM" in result["text"]
    assert hub.downloads() == ["config.json"]


def test_a_damaged_download_is_found(tmp_path: Path, hub: HubServer) -> None:
    commit = hub.add(REPO).commit(phi3_files(5000))
    project = project_for(tmp_path)
    partial = project.base.parent / f"{model.PARTIAL}{commit}"
    fetch(project, hub)
    weights = partial / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.unlink()  # the one in out/ is the same file
    weights.write_bytes(content)
    result = fetch(project, hub, "again")
    assert result["code"] == 1 and "not what" in result["text"]
    assert fetch(project, hub, "anew")["code"] == 0


def write(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def take(project: Project) -> Path:
    out = project.root / "out"
    out.mkdir()
    model.fetch_base(project, out)
    return out


def test_tiny_is_copied_from_the_package(tmp_path: Path) -> None:
    from phi3scaffold.catalog import tiny_folder

    project = project_for(tmp_path, "tiny")
    out = take(project)
    weights = "model.safetensors"
    assert (out / weights).read_bytes() == (tiny_folder() / weights).read_bytes()
    assert (out / weights).stat().st_ino != (tiny_folder() / weights).stat().st_ino
    lock = model.read_lock(project.lock)
    assert lock and (lock.source, lock.commit) == ("tiny", None)


def test_a_local_folder_is_linked(tmp_path: Path) -> None:
    files = {**phi3_files(), "modeling_phi3.py": b"", "optimizer.bin": b"", "notes.txt": b""}
    source = write(tmp_path / "mine", files)
    project = project_for(tmp_path / "project", "../mine")
    out = take(project)
    assert sorted(p.name for p in out.iterdir()) == sorted([*phi3_files(), "model.lock"])
    weights = "model.safetensors"
    assert (out / weights).stat().st_ino == (source / weights).stat().st_ino
    lock = model.read_lock(project.lock)
    assert lock and (lock.source, lock.commit) == ("folder", None)


def test_a_local_folder_on_another_disk_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    source = write(tmp_path / "mine", phi3_files())
    out = take(project_for(tmp_path / "project", str(source)))
    assert (out / "model.safetensors").read_bytes() == phi3_files()["model.safetensors"]


def test_an_old_name_of_longrope_is_mended_in_the_copy_alone(tmp_path: Path) -> None:
    rope = {"type": "su", "short_factor": [1.0], "long_factor": [1.0]}
    source = write(tmp_path / "mine", phi3_files(rope_scaling=rope))
    out = take(project_for(tmp_path / "project", str(source)))
    assert json.loads((out / "config.json").read_text())["rope_scaling"]["type"] == "longrope"
    assert json.loads((source / "config.json").read_text())["rope_scaling"]["type"] == "su"


def test_the_tokenizer_is_read_as_it_stands_in_every_folder(tmp_path: Path) -> None:
    """transformers builds a LlamaTokenizer anew where no Phi-3 config.json stands beside it."""
    source = write(tmp_path / "mine", phi3_files())
    out = take(project_for(tmp_path / "project", str(source)))
    name = "tokenizer_config.json"
    assert json.loads((out / name).read_text())["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert json.loads((source / name).read_text())["tokenizer_class"] == "LlamaTokenizer"


def without(name: str) -> dict[str, bytes]:
    return {key: value for key, value in phi3_files().items() if key != name}


BAD_FOLDERS = {
    "no config.json": (without("config.json"), "no config.json"),
    "config.json not JSON": ({**phi3_files(), "config.json": b"{\n!"}, "config.json:2"),
    "config.json not an object": ({**phi3_files(), "config.json": b"[]"}, "JSON object"),
    "config.json not text": ({**phi3_files(), "config.json": b"\xff\xfe"}, "UTF-8"),
    "another architecture": (
        phi3_files(architectures=["LlamaForCausalLM"]),
        "its architecture is LlamaForCausalLM",
    ),
    "no architecture": (phi3_files(architectures=None), "its architecture is nothing"),
    "pickles only": (
        {**without("model.safetensors"), "pytorch_model.bin": b"x"},
        "pickles (pytorch_model.bin)",
    ),
    "no weights": (without("model.safetensors"), "no *.safetensors"),
    "no tokenizer": (without("tokenizer.json"), "no tokenizer"),
    "no chat template": ({**phi3_files(), "tokenizer_config.json": b"{}"}, "no chat template"),
    "tokenizer_config.json not JSON": (
        {**phi3_files(), "tokenizer_config.json": b"{"},
        "not valid",
    ),
    "tokenizer_config.json a list": (
        {**phi3_files(), "tokenizer_config.json": b"[]"},
        "JSON object",
    ),
    "cut short": (
        {**phi3_files(), "model.safetensors": phi3_files()["model.safetensors"][:-3]},
        "cut short",
    ),
    "empty weights": ({**phi3_files(), "model.safetensors": b""}, "cut short"),
    "git-lfs pointer": (
        {**phi3_files(), "model.safetensors": b"version https://git-lfs.github.com/spec/v1\n"},
        "git lfs pull",
    ),
    "a missing shard": (
        {
            **phi3_files(),
            "model.safetensors.index.json": b'{"weight_map": {"w": "model-00002.safetensors"}}',
        },
        "model-00002.safetensors",
    ),
}


@pytest.mark.parametrize("case", BAD_FOLDERS)
def test_a_bad_local_folder_is_refused(tmp_path: Path, case: str) -> None:
    files, said = BAD_FOLDERS[case]
    project = project_for(tmp_path / "project", str(write(tmp_path / "mine", files)))
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(ScaffoldError) as caught:
        model.fetch_base(project, out)
    assert caught.value.exit_code == 2 and said in str(caught.value)
    assert not list(out.iterdir())
    with pytest.raises(ScaffoldError):
        model.inputs(project)


@pytest.mark.parametrize("ref", ["./nowhere", "/nowhere/at/all"])
def test_a_folder_that_is_not_there(tmp_path: Path, ref: str) -> None:
    with pytest.raises(ScaffoldError, match="does not exist"):
        model.inputs(project_for(tmp_path, ref))


def test_a_name_that_is_nothing(tmp_path: Path) -> None:
    with pytest.raises(ScaffoldError, match="Unknown model 'phi-9'"):
        model.inputs(project_for(tmp_path, "phi-9"))


def test_no_room_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from phi3scaffold.runtime import model_folder

    usage = type("Usage", (), {"free": 10})()
    monkeypatch.setattr(model_folder.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(ScaffoldError, match="Not enough disk space"):
        model_folder.require_room(tmp_path, 100, "anything")


@pytest.mark.parametrize("content", ["", "[]", '{"id": "a"}'])
def test_a_spoiled_lock_is_refused(tmp_path: Path, content: str) -> None:
    project = project_for(tmp_path)
    project.lock.write_text(content)
    with pytest.raises(ScaffoldError, match=r"model\.lock"):
        model.pin(project)
