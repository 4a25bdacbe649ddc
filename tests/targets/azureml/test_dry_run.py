"""`job submit --dry-run` before there is an account, a workspace or a network."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from phi3scaffold.__main__ import VERBS
from phi3scaffold.cli import main
from phi3scaffold.targets.azureml.workspace_settings import SOURCES

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("azure") is None,
    reason="Azure's SDK is missing: [aml]",
)


@pytest.fixture(autouse=True)
def _nowhere(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the project, with no workspace, and a network that answers nothing."""
    monkeypatch.chdir(project)
    for variable, _ in SOURCES.values():
        monkeypatch.delenv(variable, raising=False)
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")


def planned(capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, object], str]:
    capsys.readouterr()
    assert main(VERBS, ["job", "submit", "--dry-run"]) == 0
    out, error = capsys.readouterr()
    return json.loads(out), error


def test_a_placeholder_stands_for_what_is_not_known(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "model.lock").unlink(missing_ok=True)
    settings = ("model=microsoft/Phi-3-mini-4k-instruct", "azure.hf_token_secret=hub-token")
    assert main(VERBS, ["set", *settings]) == 0
    request, error = planned(capsys)
    assert request["missing"].keys() == {  # type: ignore[attr-defined]
        *("<subscription_id>", "<resource_group>", "<workspace>", "<key_vault>", "model.lock")
    }
    assert "/subscriptions/<subscription_id>/resourceGroups/<resource_group>/" in str(
        request["url"]
    )
    assert "https://<key_vault>.vault.azure.net" in json.dumps(request["body"])
    assert "AZURE_SUBSCRIPTION_ID" in error
    assert "phi3scaffold set azure.workspace=VALUE" in error
    assert not (project / "model.lock").exists()
    assert not (project / "gen-model/.job.json").exists()


def test_what_is_filled_is_no_longer_missing(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(VERBS, ["set", "azure.workspace=mine", "azure.resource_group=group"]) == 0
    request, error = planned(capsys)
    assert "<workspace>" not in json.dumps(request)
    assert "/workspaces/mine/jobs/" in str(request["url"])
    assert error.count("is not known yet") == 1
    monkeypatch.setenv("AZURE_SUBSCRIPTION_ID", "0000-1111")
    request, error = planned(capsys)
    assert "missing" not in request
    assert error == ""


def test_without_dry_run_the_workspace_is_still_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(VERBS, ["job", "submit", "--detach"]) == 2
    assert "Which workspace the job goes to is not known" in capsys.readouterr().err
