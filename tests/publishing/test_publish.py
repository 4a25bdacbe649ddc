"""`publish`, with the unmodified huggingface_hub, to a hub on the loopback."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from phi3scaffold.reporting.model_card import origin
from tests.publishing.conftest import REPO, TOKEN, command, on_the_hub, publish
from tests.publishing.test_permission import as_if_read, made_again
from tests.support.hub_server import HubServer
from tests.support.terminal import Terminal

TOKENIZER = (
    *("chat_template.jinja", "special_tokens_map.json", "tokenizer.json"),
    "tokenizer_config.json",
)
FILES = {
    "README.md",
    *(f"{form}/calibration.json" for form in ("adapter", "onnx")),
    *(f"adapter/{name}" for name in (*TOKENIZER, "prompt.json", "manifest.json", "history.json")),
    *("adapter/adapter_config.json", "adapter/adapter_model.safetensors"),
    *(f"onnx/{name}" for name in (*TOKENIZER, "prompt.json", "manifest.json", "config.json")),
    *("onnx/genai_config.json", "onnx/generation_config.json"),
    *("onnx/model.onnx", "onnx/model.onnx.data"),
}
BOTH = ("--forms", "onnx", "adapter")


def phrases(project: Path) -> list[bytes]:
    """The texts of all rows."""
    lines = [
        line
        for file in ("train.jsonl", "held-out.jsonl")
        for line in (project / "datasets" / file).read_text(encoding="utf-8").splitlines()
    ]
    return [json.loads(line)["phrase"].encode() for line in lines]


def test_what_was_made_goes_up_and_nothing_else(project: Path, hub: HubServer) -> None:
    (project / "gen-model/onnx/notes.txt").write_text("no stage made this")
    said = publish(project, hub, REPO, *BOTH)
    files = on_the_hub(hub)
    assert set(files) == FILES
    assert hub.repositories[REPO].private
    assert len(hub.uploads.commits) == 1
    for name in FILES - {"README.md"}:
        assert files[name] == (project / "gen-model" / name).read_bytes(), name
    for form in ("onnx", "adapter"):  # what is there can be checked there
        for name, entry in json.loads(files[f"{form}/manifest.json"])["files"].items():
            assert hashlib.sha256(files[f"{form}/{name}"]).hexdigest() == entry["sha256"]
    assert json.loads(files["adapter/adapter_config.json"])["base_model_name_or_path"] == "tiny"

    texts = {name: data for name, data in files.items() if b"\0" not in data[:8192]}
    assert "onnx/tokenizer.json" in texts
    everything = b"\n".join(texts.values())
    rows = phrases(project)
    assert len(rows) > 1000
    assert not [row for row in rows if row in everything]
    assert b"model-cache" not in everything  # no folder of this machine
    assert TOKEN.encode() not in everything

    card = files["README.md"].decode()
    data = ModelCard(card).data
    assert data.license == "mit"
    assert "demonstration" in data.tags
    assert {result.metric_type for result in data.eval_results} >= {"accuracy", "f1"}
    assert "**Demonstration model" in card
    assert "| `onnx/` |" in card
    assert "| `merged/` |" not in card
    assert "| `datasets/` |" not in card

    assert "notes.txt: stays here" in said
    assert f"to {REPO}, a new repository, private" in said
    assert f"published: {hub.url}/{REPO}" in said
    shown = said.index("onnx/model.onnx.data")
    assert shown < said.index("to send: 23 files, ") < said.index("published: ")

    hub.requests.clear()
    assert "nothing new" in publish(project, hub, REPO, *BOTH)
    assert {method for method, _, _ in hub.requests} == {"GET"}
    assert len(hub.uploads.commits) == 1


def test_a_demonstration_model_goes_to_no_hub_but_one_on_this_machine(
    project: Path, hub: HubServer
) -> None:
    said = publish(project, hub, code=2, HF_ENDPOINT="https://hub.example")
    assert "demonstration model" in said and "not published" in said
    shown = publish(project, hub, "--dry-run", HF_ENDPOINT="https://hub.example")
    assert "demonstration model" in shown


def test_a_dry_run_asks_nobody(project: Path, hub: HubServer) -> None:
    said = publish(project, hub, "--dry-run", HF_TOKEN="")
    assert hub.requests == []
    assert "onnx/model.onnx.data" in said
    assert "adapter/" not in said
    assert "would go to YOU/tones, private" in said


def test_a_killed_run_goes_on(project: Path, hub: HubServer) -> None:
    hub.uploads.stall_after = 2
    running = command(project, hub, REPO, *BOTH)
    assert hub.uploads.stalled.wait(60)
    running.kill()
    running.communicate()
    assert on_the_hub(hub) == {}  # nothing half
    assert len(hub.uploads.bodies) == 2
    hub.uploads.stall_after = None
    publish(project, hub, REPO, *BOTH)
    assert set(on_the_hub(hub)) == FILES
    assert len(hub.uploads.bodies) == len(set(hub.uploads.bodies)) > 2  # none came twice


def test_a_file_that_changes_while_it_goes_up(project: Path, hub: HubServer) -> None:
    hub.uploads.stall_after = 2
    running = command(project, hub, REPO)
    assert hub.uploads.stalled.wait(60)
    (project / "gen-model/onnx/model.onnx.data").write_bytes(bytes(5_600_000))
    hub.uploads.stall_after = None
    hub.uploads.resumed.set()
    out, error = running.communicate(timeout=60)
    assert running.returncode == 2, out + error
    assert "model.onnx.data has changed since it was made" in error
    assert on_the_hub(hub) == {}


def test_a_hub_that_fails_is_asked_again(project: Path, hub: HubServer) -> None:
    """A broken connection, a 500, and a commit that came through but whose answer was lost."""
    hub.uploads.cut_after = 20_000
    hub.uploads.failures = [("/preupload/", 500)]
    hub.uploads.lost = ["/commit/"]
    said = publish(project, hub, REPO)
    assert set(on_the_hub(hub)) == {name for name in FILES if not name.startswith("adapter/")}
    assert len(hub.uploads.commits) == 1
    assert hub.uploads.cut_after is None
    assert not hub.uploads.failures
    assert "s3cr3t" not in said  # the signature of an address


def test_a_commit_that_fails_is_made_again(project: Path, hub: HubServer) -> None:
    hub.uploads.failures = [("/commit/", 503)]
    publish(project, hub, REPO)
    assert len(hub.uploads.commits) == 1
    assert "onnx/model.onnx.data" in on_the_hub(hub)


def test_the_name_of_whom_the_token_belongs_to(project: Path, hub: HubServer) -> None:
    publish(project, hub, "--public")
    assert not hub.repositories["ann/tones"].private
    assert "add --public" in publish(project, hub, code=2)
    assert "nothing new" in publish(project, hub, "--public")
    publish(project, hub, REPO + "-2")
    said = publish(project, hub, REPO + "-2", "--public")
    assert hub.repositories[REPO + "-2"].private
    assert f"It is private and stays so. To make it public: {hub.url}/{REPO}-2/settings" in said


def test_forms_of_another_model_go(project: Path, hub: HubServer) -> None:
    publish(project, hub, REPO, *BOTH)
    there = hub.repositories[REPO]
    old = {"merged/manifest.json": b"{}", "onnx/old.onnx": b"", "a": b""}
    there.commit({**on_the_hub(hub), **old}, title="merged: published by phi3scaffold 0.0")
    said = publish(project, hub, REPO)
    assert hub.uploads.commits[-1][2] == ["merged/manifest.json", "onnx/old.onnx"]
    assert set(on_the_hub(hub)) == {*FILES, "a"}  # the adapter is of this run, and stays
    card = on_the_hub(hub)["README.md"].decode()
    assert "### `adapter/`" in card
    assert "### `merged/`" not in card
    assert "onnx/old.onnx" in said


def test_rows_go_up_only_when_asked(project: Path, hub: HubServer) -> None:
    said = publish(project, hub, REPO, "--with-data")
    names = {name for name in on_the_hub(hub) if name.startswith("datasets/")}
    assert {
        f"datasets/{name}" for name in ("dataset.yaml", "train.jsonl", "held-out.jsonl")
    } <= names
    assert names <= {path.relative_to(project).as_posix() for path in project.rglob("*")} | {
        "datasets/DATA_CARD.md"
    }
    assert "YOUR ROWS GO UP" in said
    assert b"| `datasets/` |" in on_the_hub(hub)["README.md"]
    assert not [name for name in on_the_hub(hub) if "answers" in name or name.endswith(".log")]


def test_what_somebody_else_changed_there(project: Path, hub: HubServer) -> None:
    """A README edited on the hub is not replaced without a word; other files stay as they are."""
    publish(project, hub, REPO)
    there, mine = hub.repositories[REPO], b"# In my own words"
    there.commit({**on_the_hub(hub), "README.md": mine, "photo.png": b"p"}, title="A better README")
    said = publish(project, hub, REPO, code=2)
    assert "README.md would be replaced, but somebody else has changed it: " in said
    assert "'A better README'" in said
    assert "--overwrite" in said
    assert on_the_hub(hub)["README.md"] == mine
    publish(project, hub, REPO, "--overwrite")
    files = on_the_hub(hub)
    assert mine not in files.values()
    assert files["photo.png"] == b"p"


def test_rows_of_a_data_set_that_not_everybody_sees(project: Path, hub: HubServer) -> None:
    """Its name is not told, wherever the card says it; that of one for everybody is."""
    hub.add("datasets/ann/hidden").commit({"rows.jsonl": b""})
    hub.repositories["datasets/ann/hidden"].token = TOKEN
    hub.add("datasets/ann/open").commit({"rows.jsonl": b""})
    card = project / "gen-model/report/MODEL_CARD.md"
    both = ["ann/hidden", "ann/open"]
    text = card.read_text(encoding="utf-8").replace("own-rows", both[0])
    text = text.replace("license: mit", f"license: mit\ndatasets: {json.dumps(both)}")
    card.write_text(text.replace(" were held out.", f" were held out.{origin(both)}"))
    made_again(card.parent)
    assert card.read_text().count("ann/hidden") == 3

    assert "the README names ann/hidden, ann/open if it is public" in publish(
        project, hub, REPO, "--dry-run"
    )
    said = publish(project, hub, REPO, "--public")
    assert "the README leaves out the dataset ann/hidden: not everybody may see it" in said
    readme = on_the_hub(hub)["README.md"].decode()
    assert "hidden" not in readme
    data = ModelCard(readme).data
    assert data.datasets == ["ann/open"]
    assert {result.dataset_type for result in data.eval_results} == {"ann/open"}
    assert " were held out. The rows come from ann/open." in readme


def test_secrets_in_rows_and_beside_them_stay_here(project: Path, hub: HubServer) -> None:
    path = project / "datasets/train.jsonl"
    before = path.read_text(encoding="utf-8")
    path.write_text(before + '{"phrase": "password = \\"kl3wd9x2\\"", "tone": "joy"}\n')
    as_if_read(project)
    said = publish(project, hub, REPO, "--with-data", code=2)
    assert "likely secret: password" in said
    assert "train.jsonl:1261" in said
    assert "kl3wd9x2" not in said
    path.unlink()
    rows = ", ".join(before.splitlines())
    path.with_suffix(".json").write_text(f'{{"rows": [{rows}], "password": "kl3wd9x2"}}')
    spec = project / "datasets/dataset.yaml"
    spec.write_text(spec.read_text().replace("train.jsonl", "train.json"))
    as_if_read(project)
    said = publish(project, hub, REPO, "--with-data", code=2)
    assert "likely secret: password" in said
    assert "datasets/train.json:1" in said
    assert hub.requests == []


@pytest.mark.parametrize(
    ("words", "env", "code", "says"),
    [
        ((REPO,), {"HF_TOKEN": ""}, 2, ("There is no login", "hf auth login")),
        ((REPO,), {"HF_TOKEN": "another"}, 2, ("does not accept the token",)),
        (("others/tones",), {}, 2, ("refuses access to others/tones", "/settings/tokens")),
        (
            (REPO,),
            {"HF_ENDPOINT": "http://127.0.0.1:9"},
            1,
            ("cannot be reached", "not sent again"),
        ),
        ((REPO,), {"HF_HUB_OFFLINE": "1"}, 2, ("HF_HUB_OFFLINE",)),
        (("no/such/name",), {}, 2, ("'no/such/name' is not a hub id",)),
    ],
)
def test_who_may_not(
    project: Path,
    hub: HubServer,
    words: tuple[str, ...],
    env: dict[str, str],
    code: int,
    says: tuple[str, ...],
) -> None:
    hub.uploads.writers["others"] = {"bob"}
    said = publish(project, hub, *words, code=code, **env)
    assert all(one in said for one in says), said
    assert hub.repositories == {}


def test_somebody_else_is_publishing(project: Path, hub: HubServer) -> None:
    """A token that may read a repository, and a repository that changes meanwhile."""
    hub.add(REPO).commit({})
    hub.repositories[REPO].private = True
    hub.uploads.writers["ann"] = {"bob"}
    assert f"refuses access to {REPO}" in publish(project, hub, REPO, code=2)
    del hub.uploads.writers["ann"]
    hub.uploads.failures = [("/commit/", 412)]
    assert "has changed in the meantime" in publish(project, hub, REPO, code=1)
    assert on_the_hub(hub) == {}


def test_a_hub_that_fails_for_good(project: Path, hub: HubServer) -> None:
    hub.uploads.failures = [("/repos/create", 503)]
    said = publish(project, hub, REPO, code=1)
    assert "The hub failed: " in said
    assert "It is not my day" in said
    assert "wait a while, then rerun to resume: uploaded files are not sent again" in said
    hub.uploads.failures = [("/repos/create", 409)]
    assert "is being changed" in publish(project, hub, REPO, code=1)
    assert hub.repositories == {}
    # Xet, which has no loopback: what its own library raises is told in the same way
    said = publish(project, hub, REPO, code=1, HF_HUB_DISABLE_XET="0")
    assert "The upload failed: " in said
    assert "403" in said
    assert on_the_hub(hub) == {}


def test_a_terminal_shows_each_file_and_how_far_it_is(
    project: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.uploads.stall_after = 2
    for name, value in {
        "HF_ENDPOINT": hub.url,
        "HF_HUB_DISABLE_XET": "1",
        "HF_TOKEN": TOKEN,
        "PYTHONPATH": ":".join(path for path in sys.path if path),
    }.items():
        monkeypatch.setenv(name, value)
    sized = f'stty cols 80 rows 24; exec "$0" -m phi3scaffold publish {REPO}'
    with Terminal(["sh", "-c", sized, sys.executable], project) as terminal:
        terminal.hear("to send: ", 60)
        assert hub.uploads.stalled.wait(60)
        terminal.hear("uploading onnx/model.onnx.data, ")
        terminal.hear("%|")  # huggingface_hub's own bar
