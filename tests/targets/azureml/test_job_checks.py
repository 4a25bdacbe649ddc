"""What is refused before anything is sent, and where settings come from. No Azure, no network."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from phi3scaffold import generator
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.settings import Project, load_project
from phi3scaffold.targets.azureml import workspace_settings
from phi3scaffold.targets.azureml.job_checks import JOB, read_job
from phi3scaffold.targets.azureml.workspace_settings import WorkspaceSettings, read_settings
from tests.template.conftest import without_git

Edit = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    folder = tmp_path_factory.mktemp("made")

    def make(target: str, model: str) -> Path:
        root = folder / f"{target}-{'tiny' if model == 'tiny' else 'full'}"
        if not root.exists():
            with without_git():
                answers = {"target": target, "model": model, "algo": "qlora"}
                generator.new(root, answers, git=False)
        return root

    return make


@pytest.fixture
def aml(made: Callable[[str, str], Path], tmp_path: Path) -> Project:
    return copy(made("aml", "microsoft/Phi-3-mini-4k-instruct"), tmp_path)


@pytest.fixture
def arc(made: Callable[[str, str], Path], tmp_path: Path) -> Project:
    return copy(made("arc", "microsoft/Phi-3-mini-4k-instruct"), tmp_path)


def copy(root: Path, folder: Path) -> Project:
    import shutil

    return load_project(Path(shutil.copytree(root, folder / "proj")))


def edit(project: Project, change: Edit) -> None:
    path = project.root / "fine-tuning" / "job.yml"
    job = yaml.safe_load(path.read_text())
    change(job)
    path.write_text(yaml.safe_dump(job))


@pytest.mark.parametrize("target", ["aml", "arc"])
@pytest.mark.parametrize("model", ["tiny", "microsoft/Phi-3-mini-4k-instruct"])
def test_what_new_writes_passes(target: str, model: str, made: Callable[[str, str], Path]) -> None:
    project = load_project(made(target, model))
    job = read_job(project)
    assert ("--local" in job["command"].split()) is (model == "tiny")
    conda = yaml.safe_load((project.root / "setup" / "conda.yaml").read_text())
    pins = conda["dependencies"][-1]["pip"]
    runtime = "onnxruntime==" if model == "tiny" else "onnxruntime-gpu=="
    assert any(pin.startswith(runtime) for pin in pins)


@pytest.mark.parametrize("target", ["aml", "arc"])
def test_the_sdk_takes_it(target: str, made: Callable[[str, str], Path]) -> None:
    pytest.importorskip("azure.ai.ml")
    from phi3scaffold.targets.azureml.workspace import load

    project = load_project(made(target, "microsoft/Phi-3-mini-4k-instruct"))
    job = load(project.root / "fine-tuning" / "job.yml", {"name": "one"})
    assert job.name == "one"
    assert job.resources.shm_size == "16g"


def resources(**changes: object) -> Edit:
    return lambda job: job["resources"].update(changes)


def without(*keys: str) -> Edit:
    return lambda job: [job.pop(key) for key in keys]


def but(**changes: object) -> Edit:
    return lambda job: job.update(changes)


def rows(path: str) -> Edit:
    return lambda job: job["inputs"]["rows"].update(path=path)


def rows_of(**changes: str) -> Edit:
    return lambda job: job["inputs"]["rows"].update(changes)


def registry_model(version: str) -> Edit:
    path = f"azureml://registries/azureml/models/Phi-3-mini-4k-instruct/{version}".rstrip("/")
    return both(
        lambda job: job["inputs"].update(model={"type": "mlflow_model", "path": path}),
        lambda job: job.update(command=job["command"] + " --model ${{inputs.model}}"),
    )


def both(*changes: Edit) -> Edit:
    return lambda job: [change(job) for change in changes]


INSTANCE = "resources.instance_type"
WRONG: dict[str, tuple[str, Edit]] = {
    "type": ("type", but(type="pipeline")),
    "deepspeed": ("distribution.type", but(distribution={"type": "deepspeed"})),
    "undefined input": ("command", but(command="a ${{inputs.nope}} ${{outputs.results}}")),
    "no results": ("outputs.results", but(outputs={})),
    "results unused": ("command", but(command="python -V")),
    "shm in words": ("resources.shm_size", resources(shm_size="sixteen")),
    "no shm": ("resources.shm_size", resources(shm_size=None)),
    "instances": ("resources.instance_count", resources(instance_count=-1)),
    "timeout": ("limits.timeout", but(limits={"timeout": "1h"})),
    "tier": ("queue_settings.job_tier", but(queue_settings={"job_tier": "cheap"})),
    "machines that know nothing of each other": ("distribution", resources(instance_count=2)),
    "spot without checkpoints": (
        "command",
        both(
            without("compute"),
            resources(instance_type="Standard_NC24ads_A100_v4"),
            but(
                command="phi3scaffold job --results ${{outputs.results}} --rows ${{inputs.rows}}",
                outputs={"results": {"type": "uri_folder"}},
                queue_settings={"job_tier": "spot"},
            ),
        ),
    ),
    "checkpoints on the machine": (
        "command",
        but(
            command="phi3scaffold job --checkpoints kept --results ${{outputs.results}} "
            "--rows ${{inputs.rows}}",
            outputs={"results": {"type": "uri_folder"}},
        ),
    ),
    "checkpoints at the end": (
        "outputs.checkpoints.mode",
        lambda job: job["outputs"]["checkpoints"].update(mode="upload"),
    ),
    "compute": ("compute", but(compute="gpu-cluster")),
    "serverless without a type": (INSTANCE, without("compute")),
    "serverless without a GPU": (
        INSTANCE,
        both(without("compute"), resources(instance_type="Standard_DS3_v2")),
    ),
    "registry model, no version": ("inputs.model.path", registry_model("")),
    "registry model, label": ("inputs.model.path", registry_model("labels/latest")),
    "data without a version": ("inputs.rows.path", rows("azureml:my-rows")),
    "data with a blank": ("inputs.rows.path", rows("azureml:my rows:3")),
    "a datastore misspelt": ("inputs.rows.path", rows("azureml://datastore/mine/rows")),
    "no such folder": ("inputs.rows.path", rows("../no")),
    "a file as a folder": ("inputs.rows.path", rows("../datasets/train.jsonl")),
    "a folder as a file": ("inputs.rows.path", rows_of(type="uri_file")),
    "a table": ("inputs.rows.type", rows_of(type="mltable")),
    "an address with its key": ("inputs.rows", rows("https://x.net/rows.jsonl?sv=1&sig=abc")),
    "rows unused": ("command", but(command="job --rows ${inputs.rows} ${{outputs.results}}")),
    "results are a file": ("outputs.results.type", but(outputs={"results": {"type": "uri_file"}})),
    "no mapping": ("resources", but(resources=["shm_size"])),
    "a blank in a name": ("experiment_name", but(experiment_name="my job")),
    "two instance types": (INSTANCE, resources(instance_type=["a", "b"])),
    "another folder's code": ("code", but(code=".")),
    "no code": ("code", without("code")),
    "no environment": ("environment", without("environment")),
    "an environment without a version": ("environment", but(environment="azureml:mine")),
    "a tier on a cluster": (
        "queue_settings.job_tier",
        but(queue_settings={"job_tier": "spot"}),
    ),
    "token": (
        "environment_variables.HF_TOKEN",
        but(environment_variables={"HF_TOKEN": "x"}),
    ),
    "token in another": (
        "environment_variables.OTHER",
        but(environment_variables={"OTHER": "hf_" + "x" * 34}),
    ),
    "conda": ("environment.conda_file", but(environment={"image": "x", "conda_file": "no.yaml"})),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_job_that_cannot_work_is_refused(name: str, aml: Project) -> None:
    key, change = WRONG[name]
    edit(aml, change)
    with pytest.raises(ScaffoldError) as caught:
        read_job(aml)
    path = aml.root / "fine-tuning" / "job.yml"
    match = re.fullmatch(rf"{re.escape(str(path))}(?::(\d+))?: (.*)", str(caught.value.where))
    assert match and match[2] == key
    if match[1]:
        line = path.read_text().splitlines()[int(match[1]) - 1]
        assert any(f"{part}:" in line for part in key.split("."))
    assert caught.value.fix


RIGHT: dict[str, Edit] = {
    "serverless": both(
        without("compute"),
        resources(instance_type="Standard_NC24ads_A100_v4"),
        but(queue_settings={"job_tier": "spot"}),
    ),
    "registry": registry_model("versions/15"),
    "data asset": rows("azureml:my-rows:3"),
    "latest data asset": rows("azureml:my-rows@latest"),
    "one file": rows_of(type="uri_file", path="../datasets/train.jsonl"),
    "a datastore by its long name": rows(
        "azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/mine/paths/rows/"
    ),
    "an environment of a registry": but(
        environment="azureml://registries/azureml/environments/acpt-pytorch/versions/3"
    ),
    "datastore": rows("azureml://datastores/workspaceblobstore/paths/rows/"),
    "two nodes": both(
        resources(instance_count=2),
        but(distribution={"type": "pytorch", "process_count_per_instance": 4}),
    ),
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_azure_can_do_is_not_refused(name: str, aml: Project) -> None:
    edit(aml, RIGHT[name])
    assert read_job(aml) == yaml.safe_load((aml.root / JOB).read_text())


@pytest.mark.parametrize("instance", [None, "defaultinstancetype"])
def test_arc_needs_an_instance_type_with_a_gpu(instance: str | None, arc: Project) -> None:
    edit(arc, lambda job: job["resources"].update(instance_type=instance))
    with pytest.raises(ScaffoldError, match="no GPU"):
        read_job(arc)


def test_what_must_not_travel_is_named(aml: Project) -> None:
    ignore = aml.root / ".amlignore"
    ignore.write_text(ignore.read_text().replace(".env.*\n", ""))
    with pytest.raises(ScaffoldError, match="would be uploaded"):
        read_job(aml)


SCHEMA: dict[str, tuple[str, Edit]] = {
    "a key misspelt": ("enviroment", but(enviroment={"image": "x"})),
    "a mode": ("outputs.results.mode", lambda job: job["outputs"]["results"].update(mode="ro")),
}


@pytest.mark.parametrize("name", SCHEMA)
def test_what_azures_schema_refuses_is_named(name: str, aml: Project) -> None:
    pytest.importorskip("azure.ai.ml")
    from phi3scaffold.targets.azureml.workspace import load

    key, change = SCHEMA[name]
    edit(aml, change)
    read_job(aml)
    with pytest.raises(
        ScaffoldError, match=r"schema refuses the job: (Unknown field|Value 'ro')"
    ) as caught:
        load(aml.root / "fine-tuning" / "job.yml", {})
    assert str(caught.value.where).endswith(f": {key}")


def test_a_token_needs_an_identity(aml: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from phi3scaffold.targets.azureml.submission import request_for

    edit(aml, both(but(identity={"type": "user_identity"}), registry_model("versions/15")))
    with pytest.raises(ScaffoldError, match="managed identity") as caught:
        request_for(aml, WorkspaceSettings("s", "g", "w", hf_token_secret="hf-token"))
    assert "job.yml" in str(caught.value.where)


def test_the_wheel_travels(aml: Project) -> None:
    next(iter((aml.root / "setup").glob("*.whl"))).unlink()
    with pytest.raises(ScaffoldError, match="wheel"):
        read_job(aml)


def test_settings_come_in_the_stated_order(aml: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, _ in workspace_settings.SOURCES.values():
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(ScaffoldError, match="subscription_id, resource_group, workspace"):
        read_settings(aml)
    path = aml.root / "project.yaml"
    for name in workspace_settings.SOURCES:
        path.write_text(path.read_text().replace(f"{name}: null", f"{name}: project"))
    assert read_settings(aml) == WorkspaceSettings("project", "project", "project")
    config = aml.root / ".azureml" / "config.json"
    config.parent.mkdir()
    config.write_text(json.dumps({"subscription_id": "config", "workspace_name": "config"}))
    assert read_settings(aml) == WorkspaceSettings("config", "project", "config")
    monkeypatch.setenv("AZUREML_WORKSPACE_NAME", "environment")
    assert read_settings(aml) == WorkspaceSettings("config", "project", "environment")


def test_project_yaml_takes_no_secret(aml: Project) -> None:
    path = aml.root / "project.yaml"
    path.write_text(path.read_text().replace("azure:\n", "azure:\n  client_secret: x\n"))
    with pytest.raises(ScaffoldError, match="client_secret"):
        read_settings(aml)
