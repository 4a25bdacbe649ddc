"""The base model's way into a project from the package and from a folder of this machine."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from phi3scaffold.models import base_files, model_lock
from phi3scaffold.models.catalogue import tiny_folder
from phi3scaffold.models.model_folder import check_model_folder
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.settings import Project
from phi3scaffold.stages import model
from tests.support.phi3_files import phi3_files, project_for, write


def take(project: Project) -> Path:
    out = project.root / "out"
    out.mkdir()
    base_files.fetch_base(project, out)
    return out


def test_tiny_is_copied_from_the_package(tmp_path: Path) -> None:
    project = project_for(tmp_path, "tiny")
    out = take(project)
    weights = "model.safetensors"
    assert (out / weights).read_bytes() == (tiny_folder() / weights).read_bytes()
    assert (out / weights).stat().st_ino != (tiny_folder() / weights).stat().st_ino
    lock = model_lock.read_lock(project.lock)
    assert lock and (lock.source, lock.commit) == ("tiny", None)


LARGE = 300_000  # values, so that the weights are more than a megabyte


def test_the_weights_of_a_local_folder_are_linked(tmp_path: Path) -> None:
    files = {**phi3_files(LARGE), "modeling_phi3.py": b"", "optimizer.bin": b"", "notes.txt": b""}
    source = write(tmp_path / "mine", files)
    project = project_for(tmp_path / "project", "../mine")
    out = take(project)
    assert sorted(p.name for p in out.iterdir()) == sorted([*phi3_files(), "model.lock"])
    weights = "model.safetensors"
    assert (out / weights).stat().st_ino == (source / weights).stat().st_ino
    assert (out / "LICENSE").stat().st_ino != (source / "LICENSE").stat().st_ino
    lock = model_lock.read_lock(project.lock)
    assert lock and (lock.source, lock.commit) == ("folder", None)


def test_a_local_folder_on_another_disk_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    source = write(tmp_path / "mine", phi3_files(LARGE))
    out = take(project_for(tmp_path / "project", str(source)))
    assert (out / "model.safetensors").read_bytes() == phi3_files(LARGE)["model.safetensors"]


@pytest.mark.parametrize("name", ["LICENSE", "tokenizer.json", "model.safetensors"])
def test_a_link_that_leads_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    source = write(tmp_path / "mine", phi3_files())
    private = tmp_path / "private"
    (source / name).rename(private)
    (source / name).symlink_to(private)
    with pytest.raises(ScaffoldError) as refused:
        take(project_for(tmp_path / "project", str(source)))
    assert f"leads out of the model's folder, to {private}" in str(refused.value)
    assert refused.value.where == str(source / name)


def test_links_within_the_folder_and_into_the_cache_of_the_hub_are_followed(tmp_path: Path) -> None:
    cache = tmp_path / "models--some--model"
    source = write(cache / "snapshots" / "abc", phi3_files())
    (cache / "blobs").mkdir()
    (source / "LICENSE").rename(cache / "blobs" / "123")
    (source / "LICENSE").symlink_to("../../blobs/123")
    (source / "LICENSE.txt").symlink_to("LICENSE")
    out = take(project_for(tmp_path / "project", str(source)))
    assert (out / "LICENSE").read_bytes() == (out / "LICENSE.txt").read_bytes() == b"MIT"


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
        phi3_files(architectures=["GPT2LMHeadModel"]),
        "its architecture is GPT2LMHeadModel",
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
        "tokenizer_config.json:1",
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
        base_files.fetch_base(project, out)
    assert caught.value.exit_code == 2 and said in str(caught.value)
    assert not list(out.iterdir())
    with pytest.raises(ScaffoldError):
        model.inputs(project)


@pytest.mark.parametrize("ref", ["-owner/name", "owner/na me", "owner/", "a/b/c", "o/x?y"])
def test_what_is_no_hub_id_is_an_unknown_name(tmp_path: Path, ref: str) -> None:
    with pytest.raises(ScaffoldError, match="Unknown model"):
        model.inputs(project_for(tmp_path, json.dumps(ref)))


@pytest.mark.parametrize("ref", ["./nowhere", "/nowhere/at/all"])
def test_a_folder_that_is_not_there(tmp_path: Path, ref: str) -> None:
    with pytest.raises(ScaffoldError, match="does not exist"):
        model.inputs(project_for(tmp_path, ref))


def test_a_name_that_is_nothing(tmp_path: Path) -> None:
    with pytest.raises(ScaffoldError, match="Unknown model 'phi-9'"):
        model.inputs(project_for(tmp_path, "phi-9"))


def test_no_room_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from phi3scaffold.models import model_folder

    usage = type("Usage", (), {"free": 10})()
    monkeypatch.setattr(model_folder.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(ScaffoldError, match="Not enough disk space"):
        model_folder.require_room(tmp_path, 100, "anything")


@pytest.mark.parametrize(
    ("key", "size"),
    [
        ("num_hidden_layers", 1_000_000),
        ("num_hidden_layers", "many"),
        ("vocab_size", 10**12),
        ("hidden_size", 1.5),
        ("intermediate_size", 10**9),
    ],
)
def test_sizes_that_the_weights_do_not_have_are_refused(
    tmp_path: Path, key: str, size: object
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_folder(), folder)
    check_model_folder(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, key: size}))
    with pytest.raises(ScaffoldError, match=f"config.json says {key}") as error:
        check_model_folder(folder)
    assert error.value.where == f"{folder / 'config.json'}: {key}"
