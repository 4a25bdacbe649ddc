"""The hub, on the loopback interface: reached, refused, silent, and a token that nobody sees."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from phi3scaffold.checks.runner import run_checks
from phi3scaffold.project.findings import Finding
from phi3scaffold.targets.doctor_context import open_context
from tests.checks.doctor.conftest import Make, doctor
from tests.support.hub_server import HubServer

MINI = "microsoft/Phi-3-mini-4k-instruct"
ASKED = ("--only", "hub", "--only", "hub-login", "--only", "clock")
TOKEN = "hf_" + "a" * 30


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server


def ask(hub: HubServer, folder: Path, tmp_path: Path, **environment: str) -> dict[str, Any]:
    mine = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "NO_PROXY": "127.0.0.1"}
    found = doctor(folder, *ASKED, **{**mine, **environment})
    assert TOKEN not in json.dumps(found)
    return {name: findings[0] for name, findings in found["of"].items()}


def test_a_model_that_anybody_may_have(hub: HubServer, sound: Make, tmp_path: Path) -> None:
    hub.add(MINI).commit({"config.json": b"{}"})
    found = ask(hub, sound(model=MINI), tmp_path)
    assert {name: one["state"] for name, one in found.items()} == {
        "hub": "ok", "hub-login": "ok", "clock": "ok",
    }  # fmt: skip
    assert found["hub"]["where"] == hub.url
    assert "not logged in" in found["hub-login"]["what"]


def test_a_gated_model(hub: HubServer, sound: Make, tmp_path: Path) -> None:
    hub.add(MINI).gated = True
    hub.users[TOKEN] = "somebody"
    found = ask(hub, sound(model=MINI), tmp_path, HF_TOKEN=TOKEN)
    assert found["hub"]["state"] == "error"
    assert "is gated" in found["hub"]["what"]
    assert f"accept its terms at {hub.url}/{MINI}" in found["hub"]["fix"]
    assert found["hub-login"] == {
        "id": "D21-hub-login", "state": "ok", "what": "logged in as somebody", "where": "HF_TOKEN",
        "fix": None, "page": "reference/checks#d21-hub-login",
    }  # fmt: skip


def test_a_token_that_was_revoked(hub: HubServer, sound: Make, tmp_path: Path) -> None:
    hub.add(MINI).commit({"config.json": b"{}"})
    found = ask(hub, sound(model=MINI), tmp_path, HF_TOKEN=TOKEN)
    assert found["hub-login"]["state"] == "error"
    assert "does not accept the token" in found["hub-login"]["what"]
    assert "hf auth login" in found["hub-login"]["fix"]
    found = ask(hub, sound(), tmp_path, HF_TOKEN=TOKEN)  # whose base model is here
    assert (found["hub"]["state"], found["hub-login"]["state"]) == ("ok", "warning")


def test_a_model_and_a_revision_that_do_not_exist(
    hub: HubServer, project: Make, tmp_path: Path
) -> None:
    root = project()
    found = ask(hub, root, tmp_path)
    assert found["hub"]["state"] == "error"
    assert "does not exist on the hub, or is private" in found["hub"]["what"]
    hub.add(MINI).commit({"config.json": b"{}"}, branch="other")
    assert "has no revision 'main'" in ask(hub, root, tmp_path)["hub"]["what"]


def test_a_hub_that_cannot_be_reached(hub: HubServer, sound: Make, tmp_path: Path) -> None:
    found = ask(hub, sound(model=MINI), tmp_path, HF_ENDPOINT="http://127.0.0.1:9")
    assert found["hub"]["state"] == "error"
    assert "cannot be reached" in found["hub"]["what"]
    assert found["clock"]["state"] == "skipped"


def test_a_hub_that_is_forbidden(hub: HubServer, sound: Make, tmp_path: Path) -> None:
    found = ask(hub, sound(model=MINI), tmp_path, HF_HUB_OFFLINE="1")
    assert {one["state"] for one in found.values()} == {"skipped"}
    assert hub.requests == []
    found = doctor(sound(model=MINI), "--only", "model", code=1, HF_HUB_OFFLINE="1")["of"]
    assert "HF_HUB_OFFLINE forbids the download" in found["model"][0]["what"]


def test_a_model_in_the_hubs_cache_needs_no_hub(
    hub: HubServer, sound: Make, project: Make, tmp_path: Path
) -> None:
    root, commit = project(), "a" * 40
    there = tmp_path / "hf" / "hub" / f"models--{MINI.replace('/', '--')}" / "snapshots" / commit
    shutil.copytree(sound() / "model-cache" / "base", there)  # any whole model
    lock = {"id": MINI, "revision": "main", "source": "hub", "commit": commit}
    (root / "model.lock").write_text(json.dumps(lock))
    found = ask(hub, root, tmp_path, HF_ENDPOINT="http://127.0.0.1:9")
    assert found["hub"]["state"] == "ok"
    words = ("--only", "model")
    (told,) = doctor(root, *words, HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path / "hf"))["of"]["model"]
    assert told["what"] == f"{MINI}: it lies in the hub's cache"


def test_offline_asks_nobody(hub: HubServer, sound: Make, tmp_path: Path) -> None:
    found = doctor(sound(model=MINI), "--offline", HF_ENDPOINT=hub.url, HF_TOKEN=TOKEN)
    assert hub.requests == []
    assert [found["of"][name][0]["what"] for name in ("hub", "hub-login", "clock")] == [
        "--offline"
    ] * 3


def test_a_clock_that_is_wrong(hub: HubServer, sound: Make, tmp_path: Path) -> None:
    hub.clock = time.time() - 3600
    (told,) = doctor(sound(), "--only", "clock", HF_ENDPOINT=hub.url)["of"]["clock"]
    assert told["state"] == "warning"
    assert told["what"].startswith("60 minutes fast")
    assert "timedatectl" in told["fix"]


def test_nobody_waits_for_an_answer_that_does_not_come(sound: Make, tmp_path: Path) -> None:
    """Side by side: two that hang take as long as one, and what is well is said all the same."""

    def hang(_: object) -> list[Finding]:
        time.sleep(30)
        return []

    def well(_: object) -> list[Finding]:
        return [Finding("three", "ok", "here")]

    hanging = [SimpleNamespace(ID=name, check=hang, NETWORK_SECONDS=0.3) for name in ("one", "two")]
    checks = [*hanging, SimpleNamespace(ID="three", check=well, NETWORK_SECONDS=5)]
    waiting: list[list[str]] = []
    begun = time.monotonic()
    found = run_checks(checks, open_context(), crash="warning", waiting=waiting.append)  # type: ignore[arg-type]
    assert time.monotonic() - begun < 5
    assert [(one.id, one.state) for one in found] == [
        ("one", "warning"), ("two", "warning"), ("three", "ok"),
    ]  # fmt: skip
    assert found[0].what == "No answer within 0.3 seconds"
    assert waiting[0][:2] == ["one", "two"]
