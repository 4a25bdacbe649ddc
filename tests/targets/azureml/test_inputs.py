"""Where a job's rows and models come from: each through Azure's protocols, into its hands."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from phi3scaffold import generator
from phi3scaffold.models import catalogue
from phi3scaffold.project.errors import ScaffoldError
from tests.support.azure import lake, service
from tests.support.azure.blobs import REGISTRY, STORE
from tests.support.azure.loopback import Loopback
from tests.targets.azureml.conftest import Run
from tests.template.conftest import without_git

# Azure's SDK, used here in the tests' own process, has much to say about its dependencies.
pytestmark = pytest.mark.filterwarnings("ignore")
ROW = '{"text": "from the %s", "label": "joy"}\n'
PYTHON = "python -m zipfile -e setup/phi3scaffold-*.whl r && PYTHONPATH=r python -c"


def job_of(project: Path, command: str, inputs: dict[str, Any]) -> None:
    """Let the job run `command` with `inputs`, and bring nothing back."""
    path = project / "fine-tuning" / "job.yml"
    job = yaml.safe_load(path.read_text())
    named = " ".join(f"{name}=${{{{inputs.{name}}}}}" for name in inputs)
    job["command"] = f"{command} {named} # ${{{{outputs.results}}}}"
    job["inputs"] = inputs
    job["outputs"] = {"results": job["outputs"]["results"]}
    path.write_text(yaml.safe_dump(job))
    settings = project / "project.yaml"
    content = yaml.safe_load(settings.read_text())
    content["azure"]["fetch"] = []
    settings.write_text(yaml.safe_dump(content))


def said(run: Run) -> dict[str, Any]:
    """What the job printed as its last line, as JSON."""
    run("run")
    found: dict[str, Any] = json.loads(run("logs", "--raw").stdout.splitlines()[-1])
    return found


@pytest.fixture
def client(azure: Loopback, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Azure's own client of the workspace, as a person would use it to register things."""
    from azure.ai.ml import MLClient
    from azure.identity import ClientSecretCredential

    for name, value in azure.environment.items():
        monkeypatch.setenv(name, value)
    login = ClientSecretCredential(service.TENANT, service.CLIENT, service.SECRET)
    where = (service.SUBSCRIPTION, service.GROUP, service.WORKSPACE)
    return MLClient(login, *where, enable_telemetry=False, show_progress=False)


PLACED = """'
import json, sys
from dataclasses import replace
from pathlib import Path
from phi3scaffold.project.settings import find_project
from phi3scaffold.datasets.reader import read_rows
from phi3scaffold.datasets.spec import load_spec
from phi3scaffold.targets.azureml.job_run import place_rows
found = {}
for word in sys.argv[1:]:
    name, _, path = word.partition("=")
    project = find_project()
    for file in (project.datasets / "train.jsonl", project.datasets / "held-out.jsonl"):
        file.unlink(missing_ok=True)
    place_rows(project, Path(path))
    rows = list(read_rows(load_spec(project.dataset_yaml).files))
    found[name] = [len(rows), rows[0].values["text"]]
print(json.dumps(found))
'"""


def test_rows_come_from_wherever_a_job_file_may_say(
    azure: Loopback, run: Run, project: Path, client: Any, tmp_path: Path
) -> None:
    """One job with an input of each kind: its own code puts each where dataset.yaml looks."""
    from azure.ai.ml.entities import Data, OneLakeDatastore
    from azure.ai.ml.entities._datastore.one_lake import LakeHouseArtifact

    spec = project / "datasets" / "dataset.yaml"
    spec.write_text(spec.read_text().replace('["held-out.jsonl"]', "0.2"))

    def rows(name: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "train.jsonl").write_text(ROW % name * 3)
        return folder

    for name, kind, path in (
        ("my-rows", "uri_folder", rows("asset")),
        ("my-file", "uri_file", rows("file asset") / "train.jsonl"),
    ):
        client.data.create_or_update(Data(name=name, version="3", type=kind, path=str(path)))
    azure.blobs.upload(rows("store"), STORE, "mine/rows")
    azure.service.lake.files["ws/lake.Lakehouse/Files/rows/train.jsonl"] = (
        ROW % "lake" * 3
    ).encode()
    client.datastores.create_or_update(
        OneLakeDatastore(
            name="my_onelake",
            artifact=LakeHouseArtifact(name="lake.Lakehouse"),
            one_lake_workspace_name="ws",
            endpoint=f"https://{lake.HOST}",
        )
    )
    folder, file = {"type": "uri_folder"}, {"type": "uri_file"}
    store = "azureml://datastores/workspaceblobstore/paths/mine/rows"
    scope = f"subscriptions/{service.SUBSCRIPTION}/resourcegroups/{service.GROUP}"
    long = f"azureml://{scope}/workspaces/{service.WORKSPACE}/{store.removeprefix('azureml://')}/"
    inputs = {
        "local": {**folder, "path": str(rows("folder"))},
        "local_file": {**file, "path": str(rows("one file") / "train.jsonl")},
        "asset": {**folder, "path": "azureml:my-rows:3"},
        "asset_file": {**file, "path": "azureml:my-file:3"},
        "store": {**folder, "path": f"{store}/"},
        "store_file": {**file, "path": f"{store}/train.jsonl"},
        "store_long": {**folder, "path": long},
        "onelake": {**folder, "path": "azureml://datastores/my_onelake/paths/Files/rows/"},
    }
    job_of(project, f"{PYTHON} {PLACED}", inputs)
    assert said(run) == {
        "local": [3, "from the folder"],
        "local_file": [3, "from the one file"],
        "asset": [3, "from the asset"],
        "asset_file": [3, "from the file asset"],
        "store": [3, "from the store"],
        "store_file": [3, "from the store"],
        "store_long": [3, "from the store"],
        "onelake": [3, "from the lake"],
    }


LAYOUTS = {
    "hftransformersv2": ("data/model", "data/tokenizer"),
    "transformers": ("model", "components/tokenizer"),
}


def mlflow_model(folder: Path, layout: str) -> Path:
    """tiny as MLflow stores a model of that flavor."""
    model, tokenizer = (folder / part for part in LAYOUTS[layout])
    for path in catalogue.tiny_folder().iterdir():
        place = tokenizer if "token" in path.name or path.suffix == ".jinja" else model
        place.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place / path.name)
    (folder / "MLmodel").write_text(f"flavors:\n  {layout}:\n    task: text-generation\n")
    return folder


MODEL = """'
import json, sys
from pathlib import Path
from phi3scaffold.models.model_folder import check_model_folder
from phi3scaffold.targets.azureml.job_run import find_model_folder
found = {}
for word in sys.argv[1:]:
    name, _, path = word.partition("=")
    whole = find_model_folder(Path(path), Path("model-input") / name)
    check_model_folder(whole)
    found[name] = sum(file.stat().st_size for file in whole.glob("*.safetensors"))
print(json.dumps(found))
'"""


def test_models_come_from_a_registry_or_a_folder(
    azure: Loopback, run: Run, project: Path, client: Any, tmp_path: Path
) -> None:
    from azure.ai.ml.entities import Model

    address = "azureml://registries/azureml/models/{}/versions/15"
    inputs: dict[str, Any] = {
        "folder": {"type": "uri_folder", "path": str(catalogue.tiny_folder())},
        "mine": {"type": "custom_model", "path": "azureml:mine:1"},
    }
    for layout in LAYOUTS:
        folder = mlflow_model(tmp_path / layout, layout)
        azure.blobs.upload(folder, REGISTRY, f"azureml/models/{layout}/versions/15")
        inputs[layout] = {"type": "mlflow_model", "path": address.format(layout)}
    own = Model(name="mine", version="1", type="custom_model", path=str(catalogue.tiny_folder()))
    client.models.create_or_update(own)
    job_of(project, f"{PYTHON} {MODEL}", inputs)
    size = (catalogue.tiny_folder() / "model.safetensors").stat().st_size
    assert said(run) == dict.fromkeys(inputs, size)
    sent = azure.service.bodies[f"{service.ROOT}/jobs/{_name(project)}"]
    assert sent["properties"]["inputs"]["transformers"]["uri"] == address.format("transformers")


def _name(project: Path) -> str:
    return str(json.loads((project / "gen-model" / ".job.json").read_text())["name"])


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[..., Path]:
    def make(name: str, **answers: str) -> Path:
        with without_git():
            return generator.new(
                tmp_path / name, {"target": "aml", **answers}, git=False, wheel=False
            )

    return make


def test_new_writes_what_the_job_is_given(make_project: Callable[..., Path]) -> None:
    """A registry's address, or a folder, becomes an input; project.yaml keeps the model's name."""
    address = "azureml://registries/azureml/models/Phi-3-mini-4k-instruct/versions/15"
    root = make_project("registry", model=address)
    job = yaml.safe_load((root / "fine-tuning" / "job.yml").read_text())
    assert job["inputs"]["model"] == {"type": "mlflow_model", "path": address, "mode": "download"}
    assert "--model ${{inputs.model}}" in job["command"]
    settings = yaml.safe_load((root / "project.yaml").read_text())
    assert settings["model"]["id"] == "microsoft/Phi-3-mini-4k-instruct"
    root = make_project("folder", model=str(catalogue.tiny_folder()))
    job = yaml.safe_load((root / "fine-tuning" / "job.yml").read_text())
    assert job["inputs"]["model"]["path"] == str(catalogue.tiny_folder())
    assert job["inputs"]["model"]["type"] == "uri_folder"


@pytest.mark.parametrize(
    ("target", "address", "said"),
    [
        ("cpu", "registries/azureml/models/Phi-3-mini-4k-instruct/versions/15", "Only a job"),
        ("aml", "registries/azureml/models/Phi-3-mini-4k-instruct", "with its version"),
        (
            "aml",
            "registries/azureml/models/Phi-3-mini-4k-instruct/labels/latest",
            "with its version",
        ),
        ("aml", "registries/azureml/models/Other/versions/1", "not known"),
    ],
)
def test_new_refuses_a_registrys_model_that_no_job_could_take(
    target: str, address: str, said: str, make_project: Callable[..., Path]
) -> None:
    with pytest.raises(ScaffoldError, match=said) as caught:
        make_project("refused", target=target, model=f"azureml://{address}")
    assert caught.value.where == "--model"
