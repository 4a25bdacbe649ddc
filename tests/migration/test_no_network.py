"""A config whose rows or model are of the hub, migrated where the hub does not answer."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from phi3scaffold import migration
from phi3scaffold.datasets.spec import load_spec
from phi3scaffold.models import hub_errors
from tests.support.hub_server import HubServer

REFUSING = "http://127.0.0.1:9"
# The rows in the pass itself, a part of them by number, and a model of another architecture.
OLD: dict[str, Any] = {
    "input_model": {
        "type": "PyTorchModel",
        "config": {"hf_config": {"model_name": "openlm-research/open_llama_3b"}},
    },
    "passes": {
        "tune": {
            "type": "QLoRA",
            "config": {
                "lora_r": 64,
                "eval_dataset_size": 0.1,
                "train_data_config": {
                    "name": "codes",
                    "type": "HuggingfaceContainer",
                    "params_config": {
                        "data_name": "owner/codes",
                        "split": "train[:4096]",
                        "component_kwargs": {
                            "pre_process_data": {
                                "text_template": "[INST] <<SYS>>Be \u00e4xact.<</SYS>> {ask} in "
                                "{tongue} [/INST] {code}",
                                "source_max_len": 1024,
                            }
                        },
                    },
                },
            },
        }
    },
}


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("old.json").write_text(json.dumps(OLD), encoding="utf-8")


def migrate(endpoint: str, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    place = {"HF_ENDPOINT": endpoint, "HF_HOME": str(Path("hf").resolve()), **env}
    command = [sys.executable, "-m", "phi3scaffold", "migrate", "old.json", "proj", "--no-git"]
    return subprocess.run(
        [*command, *words], env={**os.environ, **place}, capture_output=True, text=True, timeout=60
    )


@contextmanager
def silent_server() -> Iterator[str]:
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def noted(path: Path) -> dict[str, Any]:
    """What the comment in dataset.yaml says to write there."""
    text = path.read_text(encoding="utf-8")
    lines = re.search(r"write here:\n((?:#   .*\n)+)", text)
    assert lines
    return yaml.safe_load(re.sub(r"^#   ", "", lines[1], flags=re.M))


def test_rows_of_a_hub_that_cannot_be_reached() -> None:
    done = migrate(REFUSING)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("The hub cannot be reached: ")
    assert "Sample rows stand in for owner/codes" in done.stdout.splitlines()[1]
    assert done.stdout.index("owner/codes") < done.stdout.index("Look at these")
    path = Path("proj/datasets/dataset.yaml")
    spec = load_spec(path)
    assert (spec.task, spec.user, spec.max_tokens) == ("qa", "{Question}", 1024)
    assert all(Path(one).is_file() for one in spec.train)
    text = path.read_text(encoding="utf-8")
    assert "# Sample rows stand in for owner/codes" in text
    assert "`phi3scaffold migrate old.json DIR`" in text
    assert noted(path) == {
        "turns": [{"user": "{ask} in {tongue}"}, {"assistant": "{code}"}],
        "system": "Be \u00e4xact.",
        "held_out": 0.1,
    }


def test_a_hub_that_never_answers_is_given_up_within_seconds() -> None:
    with silent_server() as endpoint:
        began = time.monotonic()
        done = migrate(endpoint)
    assert time.monotonic() - began < 30  # most of it is the start of a busy machine's Python
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("The hub did not answer within 5 seconds.")
    assert "asking the hub for owner/codes" in done.stderr
    assert load_spec(Path("proj/datasets/dataset.yaml")).user == "{Question}"


def test_what_does_not_answer_in_time_is_an_error() -> None:
    with pytest.raises(hub_errors.HubError, match="did not answer within"):
        hub_errors.within(0.05, lambda: time.sleep(2))
    assert hub_errors.within(5, lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        hub_errors.within(5, lambda: 1 // 0)


def test_rows_that_the_hub_does_not_have() -> None:
    """Named by the old file they are written down; named by --data they are refused."""
    with HubServer() as hub:
        done = migrate(hub.url)
        assert done.returncode == 0, done.stderr
        assert "owner/codes does not exist on the hub, or is private" in done.stdout
        assert "owner/codes, which cannot be had" in Path("proj/datasets/dataset.yaml").read_text()
        Path("proj").rename("first")
        done = migrate(hub.url, "--data", "owner/others")
    assert done.returncode == 2
    assert "owner/others does not exist" in done.stderr
    assert not Path("proj").exists()


def test_data_of_the_hub_that_cannot_be_reached_wins_all_the_same() -> None:
    done = migrate(REFUSING, "--data", "owner/others", "--model", "owner/their-model")
    assert done.returncode == 0, done.stderr
    text = Path("proj/datasets/dataset.yaml").read_text(encoding="utf-8")
    assert "# Sample rows stand in for owner/others" in text
    assert "owner/codes" not in text
    project = Path("proj/project.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load(project)["model"]["id"] == "owner/their-model"
    assert "The hub could not be asked about this model" in project
    assert "stands in" not in done.stdout  # of a model: --model named one
    told = done.stdout
    assert "--model owner/their-model was not checked" in told
    assert told.index("was not checked") < told.index("old.json: ")


def test_the_network_is_forbidden() -> None:
    done = migrate(REFUSING, HF_HUB_OFFLINE="1")
    assert done.returncode == 0, done.stderr
    assert "HF_HUB_OFFLINE forbids" in done.stdout.splitlines()[0]


def test_rows_of_a_file_that_is_not_here(tmp_path: Path) -> None:
    """The same is written down of them."""
    load = {"data_name": "json", "data_files": "dataset/gone.json"}
    rows = {
        "name": "rows",
        "load_dataset_config": load,
        "pre_process_data_config": {"text_template": "{ask} {say}"},
    }
    Path("old.json").write_text(json.dumps({"data_configs": [rows], "passes": {}}))
    plan = migration.plan(migration.read(Path("old.json")))
    migration.migrate(plan, Path("proj"), git=False, wheel=False)
    path = Path("proj/datasets/dataset.yaml")
    assert "stand in for dataset/gone.json, which was not found" in path.read_text()
    assert noted(path) == {"turns": [{"user": "{ask}"}, {"assistant": "{say}"}]}
    assert load_spec(path).user == "{Question}"
