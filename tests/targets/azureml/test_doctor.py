"""What doctor says of Azure: login, workspace, role, compute and vault, each missing in turn."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from phi3scaffold import generator
from phi3scaffold.checks.runner import load
from phi3scaffold.targets.azureml.doctor.azure_role import NEEDED, may
from tests.checks.doctor.conftest import program
from tests.support.azure.loopback import Loopback
from tests.support.azure.service import PRINCIPAL, ROOT, SCOPE, SECRET, VAULT
from tests.template.conftest import without_git

MINI = "microsoft/Phi-3-mini-4k-instruct"
AZURE = [module.ID for module in load("doctor") if "-azure-" in module.ID]
TOKEN = "hf_the-very-secret-value"
VAULT_PATH = f"{SCOPE}/Microsoft.KeyVault/vaults/{VAULT}"
Ask = Callable[..., dict[str, list[dict[str, Any]]]]

needs_sdk = pytest.mark.skipif(
    importlib.util.find_spec("azure") is None, reason="Azure's SDK is not installed: [aml]"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("doctor")

    def make(target: str) -> Path:
        if not (folder / target).exists():
            with without_git():
                generator.new(folder / target, {"target": target, "model": MINI}, git=False)
        return folder / target

    return make


@pytest.fixture
def project(made: Callable[[str], Path], tmp_path: Path) -> Path:
    """For Azure ML; its job is for the cluster `gpu-cluster`."""
    return Path(shutil.copytree(made("aml"), tmp_path / "proj"))


def change(path: Path, **values: Any) -> None:
    content = yaml.safe_load(path.read_text())
    for key, value in values.items():
        content[key] = {**content.get(key, {}), **value} if isinstance(value, dict) else value
    path.write_text(yaml.safe_dump(content))


def ask_doctor(folder: Path, environment: dict[str, str], *words: str) -> Any:
    only = [word for name in AZURE for word in ("--only", name)]
    done = subprocess.run(
        [sys.executable, "-m", "phi3scaffold", "doctor", "--json", *only, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert TOKEN not in done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert done.returncode == (1 if found["errors"] else 0)
    by_name: dict[str, list[dict[str, Any]]] = {}
    for one in found["verdicts"]:
        by_name.setdefault(one["id"].partition("-azure-")[2], []).append(one)
    return by_name


@pytest.fixture
def ask(azure: Loopback, project: Path) -> Iterator[Ask]:
    """What the checks of Azure say, by name; variables that are None are not there."""

    def call(**changes: str | None) -> Any:
        environment = {**azure.environment, **{k: v for k, v in changes.items() if v is not None}}
        for name in [name for name, value in changes.items() if value is None]:
            environment.pop(name, None)
        return ask_doctor(project, environment)

    yield call
    azure.service.secrets.clear()


def only(found: dict[str, list[dict[str, Any]]], name: str, state: str) -> dict[str, Any]:
    """The one finding of that state among a check's."""
    chosen = [one for one in found[name] if one["state"] == state]
    assert len(chosen) == 1, found[name]
    return chosen[0]


@needs_sdk
def test_all_is_well(ask: Ask, azure: Loopback, project: Path) -> None:
    azure.service.secrets["hf-token"] = TOKEN
    change(project / "project.yaml", azure={"hf_token_secret": "hf-token"})
    found = ask()
    states = {name: [one["state"] for one in findings] for name, findings in found.items()}
    assert states == {
        "sdk": ["ok"], "settings": ["ok"], "job": ["ok"], "login": ["ok"], "workspace": ["ok"],
        "role": ["ok"], "compute": ["ok"], "vault": ["ok", "ok"],
    }  # fmt: skip
    assert found["workspace"][0]["what"] == "workspace, westeurope"
    assert found["settings"][0]["where"] == (
        "AZURE_SUBSCRIPTION_ID, AZURE_RESOURCE_GROUP, AZUREML_WORKSPACE_NAME"
    )
    asked = [path for _, path in azure.service.requests]
    assert "/secrets/hf-token/versions" in asked
    assert "/secrets/hf-token" not in asked  # whose answer would be the value


def test_without_the_sdk_nothing_is_asked(made: Callable[[str], Path]) -> None:
    """Where the suite runs without [aml]; with it, in a process that cannot find it."""
    code = (
        "import sys\n"
        "sys.path[:] = [one for one in sys.path if 'azvenv' not in one]\n"
        "import importlib.util as util\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, *more: None if name == 'azure' else find(name, *more)\n"
        "from phi3scaffold.__main__ import VERBS\n"
        "from phi3scaffold.cli import main\n"
        "main(VERBS, ['doctor', '--json', '--only', 'azure-login', '--only', 'azure-role'])\n"
        "assert 'azure' not in sys.modules\n"
    )
    names = ("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZUREML_WORKSPACE_NAME")
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=made("aml"),
        capture_output=True,
        text=True,
        env={**dict.fromkeys(names, "x"), "PYTHONPATH": ":".join(sys.path)},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    findings = json.loads(done.stdout)["verdicts"]
    assert [one["state"] for one in findings] == ["skipped", "skipped"]
    assert re.search("SDK is not installed|no Azure SDK", findings[0]["what"])


@needs_sdk
def test_a_workspace_that_nobody_named(ask: Ask) -> None:
    found = ask(AZUREML_WORKSPACE_NAME=None)
    told = only(found, "settings", "error")
    assert "no workspace" in told["what"]
    assert "az ml workspace list -o table" in told["fix"]
    assert found["workspace"][0]["state"] == "skipped"
    assert found["login"][0]["state"] == "ok"


@needs_sdk
def test_nobody_is_logged_in(ask: Ask, tmp_path: Path) -> None:
    found = ask(AZURE_CLIENT_SECRET=None, PATH=str(tmp_path), HOME=str(tmp_path))
    told = only(found, "login", "error")
    assert told["what"] == "Nobody is logged in to Azure."
    assert told["fix"].startswith("install the Azure CLI (aka.ms/azcli), then az login")
    for name in ("workspace", "role", "compute"):
        assert found[name][0]["state"] == "skipped", found[name]


@needs_sdk
def test_a_login_that_has_expired(ask: Ask, tmp_path: Path) -> None:
    told = "AADSTS700082: The refresh token has expired due to inactivity."
    program(tmp_path / "bin", "az", f"echo 'ERROR: {told}' >&2; exit 1")
    found = ask(
        AZURE_CLIENT_SECRET=None,
        PATH=f"{tmp_path / 'bin'}:/usr/bin:/bin",
        AZURE_TOKEN_CREDENTIALS="AzureCliCredential",
    )
    login = only(found, "login", "error")
    assert told in login["what"]
    assert login["fix"].startswith("az login")


@needs_sdk
def test_a_secret_of_a_service_principal_that_is_wrong(ask: Ask) -> None:
    told = only(ask(AZURE_CLIENT_SECRET="wrong"), "login", "error")
    assert "AADSTS7000215: Invalid client secret provided." in told["what"]


@needs_sdk
def test_a_network_that_is_down(ask: Ask, azure: Loopback) -> None:
    azure.proxy.down.set()
    found = ask()
    told = only(found, "login", "error")
    assert told["what"].startswith("No answer: ")
    assert "HTTPS_PROXY" in told["fix"]
    assert {found[name][0]["state"] for name in ("workspace", "role")} == {"skipped"}


@needs_sdk
def test_a_workspace_that_is_not_there(ask: Ask, project: Path) -> None:
    found = ask(AZUREML_WORKSPACE_NAME="elsewhere")
    told = only(found, "workspace", "error")
    assert "Azure answered 404" in told["what"]
    assert "az ml workspace list -o table" in told["fix"]
    make = "az deployment group create --resource-group group --parameters setup/azure.bicepparam"
    assert make in told["fix"]
    assert (project / "setup" / "azure.bicepparam").is_file()
    assert found["role"][0]["state"] == "skipped"


@needs_sdk
def test_a_person_without_any_role(ask: Ask, azure: Loopback) -> None:
    azure.service.failures += [403] * 40
    found = ask()
    assert "Azure answered 403" in only(found, "workspace", "error")["what"]
    told = only(found, "role", "error")
    assert "az role assignment create --role 'AzureML Data Scientist'" in told["fix"]
    assert told["fix"].endswith(f"--scope {ROOT}")


@needs_sdk
def test_a_person_who_may_only_read(
    ask: Ask, azure: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"{ROOT}/providers/Microsoft.Authorization/permissions".lower()
    reader = {"value": [{"actions": ["*/read"], "notActions": []}]}
    monkeypatch.setitem(azure.service.documents, path, reader)
    found = ask()
    assert found["workspace"][0]["state"] == "ok"
    told = only(found, "role", "error")
    assert told["what"].startswith("You may not submit jobs: no jobs/write, codes/versions/write")


@needs_sdk
def test_a_compute_that_is_not_there(ask: Ask, project: Path) -> None:
    change(project / "fine-tuning" / "job.yml", compute="azureml:my-gpus")
    told = only(ask(), "compute", "error")
    assert told["what"] == "There is no compute my-gpus."
    place = "--workspace-name workspace --resource-group group"
    assert told["fix"].startswith(f"az ml compute list {place} -o table; or make it: az ml compute")
    assert "--name my-gpus --size Standard_NC24ads_A100_v4" in told["fix"]


@needs_sdk
def test_a_compute_without_a_gpu_or_an_identity(
    ask: Ask, azure: Loopback, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(project / "fine-tuning" / "job.yml", compute="azureml:cpu-cluster")
    told = only(ask(), "compute", "error")
    assert "cpu-cluster has machines of STANDARD_DS3_V2, which have no NVIDIA GPU" in told["what"]
    path = f"{ROOT}/computes/gpu-cluster".lower()
    there = azure.service.documents[path]
    inner = {"vmSize": "Standard_NC6s_v3", "scaleSettings": {"maxNodeCount": 1}}
    bare = {**there, "identity": None}
    bare["properties"] = {**there["properties"], "properties": inner}
    monkeypatch.setitem(azure.service.documents, path, bare)
    change(
        project / "fine-tuning" / "job.yml",
        compute="azureml:gpu-cluster",
        resources={"instance_count": 2},
        distribution={"type": "pytorch", "process_count_per_instance": 1},
    )
    found = ask()
    assert "grows to 1 machines; the job asks for 2" in only(found, "compute", "error")["what"]
    told = only(found, "compute", "warning")
    assert "az ml compute update --name gpu-cluster --identity-type system_assigned" in told["fix"]


@needs_sdk
def test_an_attached_cluster(
    azure: Loopback,
    made: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = Path(shutil.copytree(made("arc"), tmp_path / "arc"))
    path = f"{ROOT}/computes/arc-cluster".lower()
    types = {"defaultinstancetype": {"resources": {"limits": {"cpu": "2"}}}}
    properties = {"computeType": "Kubernetes", "properties": {"instanceTypes": types}}
    cluster = {"id": path, "name": "arc-cluster", "properties": properties}
    monkeypatch.setitem(azure.service.documents, path, cluster)
    told = only(ask_doctor(root, azure.environment), "compute", "error")
    assert told["what"] == ("The cluster has no instance type 'gpu'; it has defaultinstancetype.")
    types["gpu"] = {"resources": {"limits": {"cpu": "8"}}}
    told = only(ask_doctor(root, azure.environment), "compute", "error")
    assert told["what"] == "The instance type 'gpu' has no GPU."
    types["gpu"]["resources"]["limits"]["nvidia.com/gpu"] = "1"
    assert only(ask_doctor(root, azure.environment), "compute", "ok")


@needs_sdk
def test_a_vault_without_the_secret_and_without_the_role(
    ask: Ask, azure: Loopback, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(project / "project.yaml", azure={"hf_token_secret": "hf-token"})
    assignments = f"{VAULT_PATH}/providers/Microsoft.Authorization/roleAssignments".lower()
    monkeypatch.setitem(azure.service.documents, assignments, {"value": []})
    secret, role = ask()["vault"]
    assert (secret["state"], role["state"]) == ("error", "error")
    assert secret["what"] == f"{VAULT} has no secret hf-token."
    assert secret["fix"] == (
        f'az keyvault secret set --vault-name {VAULT} --name hf-token --value "$HF_TOKEN"'
    )
    assert role["what"] == "The compute's managed identity may not read secrets."
    assert f"--role 'Key Vault Secrets User' --assignee-object-id {PRINCIPAL}" in role["fix"]
    assert role["fix"].endswith(f"--scope {VAULT_PATH}")
    older = {"properties": {"enableRbacAuthorization": False, "accessPolicies": []}}
    monkeypatch.setitem(azure.service.documents, VAULT_PATH.lower(), older)
    role = ask()["vault"][1]
    assert role["fix"].startswith(f"az keyvault set-policy --name {VAULT} --object-id {PRINCIPAL}")
    policy = {"objectId": PRINCIPAL, "permissions": {"secrets": ["Get"]}}
    older["properties"]["accessPolicies"] = [policy]  # type: ignore[index]
    assert ask()["vault"][1]["state"] == "ok"


@needs_sdk
def test_a_vault_that_is_not_there(ask: Ask, project: Path) -> None:
    change(project / "project.yaml", azure={"hf_token_secret": "hf-token", "key_vault": "no-vault"})
    (told,) = ask()["vault"]
    assert told["state"] == "error"
    assert told["what"] == "The vault no-vault is not there, or cannot be reached."
    assert told["fix"] == "az keyvault show --name no-vault"


def test_a_role_allows_what_its_actions_match_and_its_not_actions_do_not() -> None:
    kind = "Microsoft.MachineLearningServices/workspaces"
    assert all(may(action, [{"actions": ["*"], "notActions": []}]) for action in NEEDED)
    assert all(may(action, [{"actions": [f"{kind.upper()}/*"]}]) for action in NEEDED)
    assert not may(f"{kind}/jobs/write", [{"actions": ["*"], "notActions": [f"{kind}/jobs/*"]}])
    two = [{"actions": ["*"], "notActions": ["*/write"]}, {"actions": [f"{kind}/jobs/write"]}]
    assert may(f"{kind}/jobs/write", two)
    assert not may(f"{kind}/jobs/write", [{"actions": ["*/read"]}, {}])


def test_a_job_that_azure_would_refuse(made: Callable[[str], Path], tmp_path: Path) -> None:
    root = Path(shutil.copytree(made("aml"), tmp_path / "proj"))
    change(root / "fine-tuning" / "job.yml", resources={"shm_size": "sixteen"})
    done = subprocess.run(
        [sys.executable, "-m", "phi3scaffold", "doctor", "--offline", "--json"],
        cwd=root,
        capture_output=True,
        text=True,
    )
    found = {one["id"]: one for one in json.loads(done.stdout)["verdicts"]}
    job = next(one for name, one in found.items() if name.endswith("-azure-job"))
    assert job["state"] == "error"
    assert re.search(r"job\.yml:\d+: resources\.shm_size$", job["where"])
    asking = ("login", "workspace", "role", "compute", "vault")
    chosen = [one for name, one in found.items() if name.partition("-azure-")[2] in asking]
    assert [one["state"] for one in chosen] == ["skipped"] * len(asking)
