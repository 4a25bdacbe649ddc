"""setup/azure.bicep: names, references and property names, without the compiler (`az bicep build`).

`tests/support/bicep.py` says what that can find; each fault that matters is planted here once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from phi3scaffold import generator
from phi3scaffold.targets.azureml.workspace_settings import SOURCES
from tests.support import bicep
from tests.support.bicep import Declared, Expression
from tests.template.conftest import without_git

TINY, FULL = "tiny", "microsoft/Phi-3-mini-4k-instruct"
# As Azure documents them: learn.microsoft.com, "Azure built-in roles".
ROLES = {
    "f6c7c914-8db3-469d-8ca1-694a8f32e121": "AzureML Data Scientist",
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
    "b86a8fe4-44ce-4948-aee5-eccb2c155cd7": "Key Vault Secrets Officer",
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
}
GRANTED = {
    ("compute.identity.principalId", "Storage Blob Data Contributor", "storage"),
    ("compute.identity.principalId", "Key Vault Secrets User", "vault"),
    ("submitter", "AzureML Data Scientist", "workspace"),
    ("submitter", "Storage Blob Data Contributor", "storage"),
    ("submitter", "Key Vault Secrets Officer", "vault"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    folder = tmp_path_factory.mktemp("infrastructure")

    def make(target: str, model: str = FULL) -> Path:
        root = folder / f"{target}-{model.split('/')[0]}"
        if not root.exists():
            with without_git():
                generator.new(root, {"target": target, "model": model}, git=False, wheel=False)
        return root

    return make


BOTH = pytest.mark.parametrize("target", ["aml", "arc"])


@BOTH
@pytest.mark.parametrize("model", [TINY, FULL])
def test_nothing_in_it_is_wrong(target: str, model: str, made: Callable[..., Path]) -> None:
    file = bicep.read((made(target, model) / "setup" / "azure.bicep").read_text())
    assert bicep.faults(file, bicep.known_types()) == []
    kinds = {one.type.split("@")[0] for one in file.of("resource").values()}
    assert "Microsoft.MachineLearningServices/workspaces" in kinds
    assert ("Microsoft.KubernetesConfiguration/extensions" in kinds) is (target == "arc")


PLANTED = {
    "a name": ("storage.id\n    keyVault", "stroage.id\n    keyVault", "stroage is not defined"),
    "a property": ("enableRbacAuthorization", "enableRbac", "there is no property enableRbac"),
    "a value": ("'StorageV2'", "'StorageV3'", "'StorageV3' is none of"),
    "a kind of value": ("minNodeCount: 0", "minNodeCount: 'no'", "'no' is no int"),
    "what is required": ("  kind: 'web'\n", "", "insights: kind is missing"),
    "a version": ("vaults@2023-07-01", "vaults@2023-07-02", "is not known"),
    "a function": ("uniqueString(", "unique(", "unique() is not a function"),
    "nothing uses it": ("vmSize: vmSize", "vmSize: 'x'", "vmSize is never used"),
    "a description": ("@description('Where all of it is.')\n", "", "location is not described"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_fault_is_found(name: str, made: Callable[..., Path]) -> None:
    old, new, said = PLANTED[name]
    text = (made("aml") / "setup" / "azure.bicep").read_text()
    assert text.count(old) >= 1
    found = bicep.faults(bicep.read(text.replace(old, new)), bicep.known_types())
    assert any(said in one for one in found), found


def test_what_is_no_bicep_is_found(made: Callable[..., Path]) -> None:
    text = (made("aml") / "setup" / "azure.bicep").read_text()
    with pytest.raises(ValueError, match="no Bicep"):
        bicep.read(text.replace("  kind: 'StorageV2'\n", "  kind: 'StorageV2\n"))
    with pytest.raises(ValueError, match="twice"):
        bicep.read(text + "var unique = 'again'\n")


@BOTH
def test_roles_are_the_documented_ones(target: str, made: Callable[..., Path]) -> None:
    """Least of all: the job reads secrets and blobs, the person submits."""
    text = (made(target) / "setup" / "azure.bicep").read_text()
    file = bicep.read(text)
    for guid, role in re.findall(r"= '([0-9a-f-]{36})' // (.*)", text):
        assert ROLES[guid] == role
    granted = set()
    for one in file.of("resource").values():
        if one.type.startswith("Microsoft.Authorization/"):
            properties = one.value["properties"]
            role = properties["roleDefinitionId"].names[0]
            assert one.value["name"].names == tuple(
                sorted({one.value["scope"].text, properties["principalId"].names[0], role})
            )
            who = properties["principalId"].text
            named = ROLES[file.known[role].value]
            granted.add((who, named, one.value["scope"].text))
    assert granted == GRANTED


@BOTH
def test_nothing_secret_comes_out_of_it(target: str, made: Callable[..., Path]) -> None:
    file = bicep.read((made(target) / "setup" / "azure.bicep").read_text())
    assert not {name for name in file.functions if name.lower().startswith("list")}
    said = " ".join([*file.known, *file.outputs, *map(_text, file.outputs.values())]).lower()
    assert not re.search(r"password|token|key\b|connectionstring|sas\b", said)
    known = file.of("resource")
    assert known["storage"].value["properties"]["allowBlobPublicAccess"] is False
    assert known["storage"].value["properties"]["supportsHttpsTrafficOnly"] is True
    assert known["vault"].value["properties"]["enableRbacAuthorization"] is True
    assert "accessPolicies" not in known["vault"].value["properties"]
    if target == "aml":
        assert known["compute"].value["properties"]["disableLocalAuth"] is True
        scale = known["compute"].value["properties"]["properties"]["scaleSettings"]
        assert scale["minNodeCount"] == 0


def _text(one: Declared) -> str:
    return one.value.text if isinstance(one.value, Expression) else str(one.value)


@BOTH
@pytest.mark.parametrize("model", [TINY, FULL])
def test_parameters_come_from_the_project(
    target: str, model: str, made: Callable[..., Path]
) -> None:
    """Every name is where the parameter file looks for it, and nothing needed is left out."""
    root = made(target, model)
    asked = bicep.read((root / "setup" / "azure.bicep").read_text()).of("param")
    file = bicep.read((root / "setup" / "azure.bicepparam").read_text())
    given = file.of("param")
    assert set(given) <= set(asked)
    assert {name for name, one in asked.items() if one.value is None} <= set(given)
    assert not file.used - set(file.known)
    loaded = {}
    for name, one in file.of("var").items():
        path = re.fullmatch(r"loadYamlContent\('(.*)'\)", one.value.text)
        assert path
        loaded[name] = yaml.safe_load((root / "setup" / path[1]).read_text())
    values = {name: _evaluated(one.value, loaded) for name, one in given.items()}
    job = yaml.safe_load((root / "fine-tuning" / "job.yml").read_text())
    assert job["compute"] == f"azureml:{values['computeName']}"
    longest = int(asked["computeName"].decorators["maxLength"].strip("()"))
    assert 2 <= len(str(values["computeName"])) <= longest
    assert "workspace" in SOURCES and "workspace" in loaded["project"]["azure"]
    assert values["workspaceName"] is None  # to be filled in, and then in one place
    if target == "aml":
        assert values["maxNodes"] == job["resources"]["instance_count"]
        assert str(values["vmSize"]).startswith("Standard_NC") is (model != TINY)
    elif model != TINY:
        instance = yaml.safe_load((root / "setup" / "instance-type.yaml").read_text())
        assert instance["metadata"]["name"] == job["resources"]["instance_type"]
        assert instance["spec"]["resources"]["limits"]["nvidia.com/gpu"] >= 1


def _evaluated(value: object, loaded: dict[str, object]) -> object:
    """`a.b.c`, or replace(a.b, 'old', 'new'), of the loaded files."""
    if not isinstance(value, Expression):
        return value
    inner = re.fullmatch(r"replace\((.*), '(.*)', '(.*)'\)", value.text)
    found: object = loaded
    for name in (inner[1] if inner else value.text).split("."):
        assert isinstance(found, dict) and name in found, value.text
        found = found[name]
    return str(found).replace(inner[2], inner[3]) if inner else found


def test_only_projects_of_the_cloud_have_it(made: Callable[..., Path]) -> None:
    assert not list((made("cpu") / "setup").glob("azure.*"))
    assert not (made("aml") / "setup" / "instance-type.yaml").exists()
    assert not (made("arc", TINY) / "setup" / "instance-type.yaml").exists()
