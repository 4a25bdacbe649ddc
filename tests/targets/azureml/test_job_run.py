"""What a job does with what it is given: rows, and models as MLflow stores them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from phi3scaffold import generator
from phi3scaffold.models import catalogue
from phi3scaffold.models.model_folder import check_model_folder
from phi3scaffold.pipeline.atomic_publish import copy_whole
from phi3scaffold.pipeline.manifest import FileEntry, Manifest
from phi3scaffold.pipeline.manifest import write as write_manifest
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.settings import Project, load_project
from phi3scaffold.targets.azureml.fetch import _read as read_manifest
from phi3scaffold.targets.azureml.job_run import find_model_folder, place_rows
from tests.template.conftest import without_git


@pytest.fixture
def project(tmp_path: Path) -> Project:
    with without_git():
        answers = {"target": "aml", "model": "tiny"}
        generator.new(tmp_path / "proj", answers, git=False, wheel=False)
    return load_project(tmp_path / "proj")


def test_a_folder_of_rows_takes_the_place_of_the_snapshots(project: Project) -> None:
    given = project.root.parent / "given"
    given.mkdir()
    for name in ("train.jsonl", "held-out.jsonl"):
        shutil.move(project.datasets / name, given / name)
    place_rows(project, given)
    assert (project.datasets / "train.jsonl").read_text() == (given / "train.jsonl").read_text()
    (given / "held-out.jsonl").unlink()
    with pytest.raises(ScaffoldError, match=r"no held-out\.jsonl"):
        place_rows(project, given)


def test_one_file_of_rows_is_for_one_file(project: Project, tmp_path: Path) -> None:
    given = tmp_path / "rows.jsonl"
    given.write_text('{"text": "a", "label": "b"}\n')
    with pytest.raises(ScaffoldError, match=r"names 2"):
        place_rows(project, given)
    text = project.dataset_yaml.read_text().replace('["held-out.jsonl"]', "0.2")
    project.dataset_yaml.write_text(text)
    (project.datasets / "train.jsonl").unlink()
    place_rows(project, given)
    assert (project.datasets / "train.jsonl").read_text() == given.read_text()


LAYOUTS = {
    "plain": (".", "."),
    "hftransformersv2": ("data/model", "data/tokenizer"),
    "transformers": ("model", "components/tokenizer"),
    "named": ("Phi-3/data/model", "Phi-3/data/tokenizer"),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_models_as_mlflow_stores_them(name: str, tmp_path: Path) -> None:
    model, tokenizer = (tmp_path / "given" / part for part in LAYOUTS[name])
    for path in catalogue.tiny_folder().iterdir():
        folder = tokenizer if "token" in path.name or path.suffix == ".jinja" else model
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / path.name)
    check_model_folder(find_model_folder(tmp_path / "given", tmp_path / "place"))


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "a/../../outside", "a\\\\b"])
def test_a_manifest_names_only_what_lies_in_its_folder(name: str) -> None:
    entry = {"sha256": "0", "bytes": 1}
    known = {"stage": "finetune", "fingerprint": "x", "inputs": {}, "versions": {}}
    with pytest.raises(ScaffoldError, match="cannot be understood"):
        read_manifest(json.dumps({**known, "files": {name: entry}}).encode(), "results/adapter")


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ScaffoldError, match="safetensors"):
        find_model_folder(tmp_path, tmp_path / "place")


def test_a_form_is_handed_over_with_its_manifest_last(tmp_path: Path) -> None:
    made = tmp_path / "gen-model" / "adapter"
    made.mkdir(parents=True)
    (made / "a.bin").write_text("one")
    files = {"a.bin": FileEntry("1", 3)}
    write_manifest(made, Manifest("finetune", "x", {}, {}, files))
    there = tmp_path / "results" / "adapter"
    copy_whole(made, there)
    assert {path.name for path in there.iterdir()} == {"a.bin", "manifest.json"}
    files = {"a.bin": FileEntry("2", 3), "missing.bin": FileEntry("3", 1)}
    write_manifest(made, Manifest("finetune", "y", {}, {}, files))
    with pytest.raises(FileNotFoundError):
        copy_whole(made, there)
    assert not (there / "manifest.json").exists()
