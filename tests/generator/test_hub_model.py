"""`new --model owner/name`: refused at once where its config.json can be read, else warned of."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.hub_server import HubServer
from tests.support.phi3_files import phi3_files, write
from tests.support.unusable_models import CARD, QUANTIZED

REPO = "someone/phi-3-copy"
WARNING = f"warning: --model {REPO} was not checked"


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server


def new(
    folder: Path, hub: HubServer, repo: str = REPO, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run `new` in a process of its own: huggingface_hub reads its environment once."""
    options = ["--algo", "lora", "--target", "cpu", "--task", "qa", "--model", repo, "--no-git"]
    return subprocess.run(
        [sys.executable, "-P", "-m", "phi3scaffold", "new", str(folder / "proj"), *options],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(folder / "hf-home"),
            **env,
        },
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_model_that_can_be_trained_costs_one_small_request(
    tmp_path: Path, hub: HubServer
) -> None:
    hub.add(REPO).commit(phi3_files())
    done = new(tmp_path, hub)
    assert done.returncode == 0 and "warning" not in done.stdout + done.stderr
    assert hub.downloads() == ["config.json"]
    assert f'id: "{REPO}"' in (tmp_path / "proj" / "project.yaml").read_text()
    assert "learning rate 0.002, for 0." in done.stdout  # by its own config.json: it is small


def test_another_architecture(tmp_path: Path, hub: HubServer) -> None:
    hub.add(REPO).commit(phi3_files(architectures=["GPT2LMHeadModel"]))
    done = new(tmp_path, hub)
    assert done.returncode == 2 and not (tmp_path / "proj").exists()
    assert "its architecture is GPT2LMHeadModel, not Phi3ForCausalLM" in done.stderr
    assert f"--model {REPO}: config.json: architectures" in done.stderr


def target_modules(project: Path) -> list[str]:
    config = json.loads((project / "fine-tuning" / "olive-config.json").read_text())
    return config["passes"]["finetune"]["target_modules"]


def test_its_config_decides_the_modules(tmp_path: Path, hub: HubServer) -> None:
    hub.add(REPO).commit(phi3_files(architectures=["LlamaForCausalLM"], model_type="llama"))
    assert new(tmp_path, hub).returncode == 0
    assert {"q_proj", "gate_proj"} < set(target_modules(tmp_path / "proj"))


def test_its_name_decides_them_where_the_config_cannot_be_read(
    tmp_path: Path, hub: HubServer
) -> None:
    done = new(tmp_path, hub, repo="someone/Qwen2.5-7B-of-mine", HF_HUB_OFFLINE="1")
    assert done.returncode == 0 and "was not checked" in done.stdout
    assert "q_proj" in target_modules(tmp_path / "proj")


def test_a_gated_model_of_the_catalogue_says_how_to_get_it(tmp_path: Path, hub: HubServer) -> None:
    done = new(tmp_path, hub, repo="llama-3.2-1b")
    assert done.returncode == 0 and hub.requests == []
    text = done.stdout
    assert "https://huggingface.co/meta-llama/Llama-3.2-1B-Instruct" in text
    assert "accept its licence" in text and "HF_TOKEN" in text
    assert "q_proj" in target_modules(tmp_path / "proj")


def test_quantized_weights(tmp_path: Path, hub: HubServer) -> None:
    settings, name = QUANTIZED["bitsandbytes 4-bit"]
    hub.add(REPO).commit({**phi3_files(quantization_config=settings), "README.md": CARD})
    done = new(tmp_path, hub)
    assert done.returncode == 2 and not (tmp_path / "proj").exists()
    assert f"weights are quantized ({name})" in done.stderr
    assert "its files name: microsoft/Phi-3-mini-4k-instruct" in done.stderr


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE forbids"),
        ({"HF_ENDPOINT": "http://127.0.0.1:9"}, "cannot be reached"),
        ({}, "does not exist on the hub, or is private"),
    ],
)
def test_a_config_that_cannot_be_read(
    settings: dict[str, str], reason: str, tmp_path: Path, hub: HubServer
) -> None:
    done = new(tmp_path, hub, **settings)
    assert done.returncode == 0, done.stderr
    assert WARNING in done.stdout and reason in done.stdout
    assert (tmp_path / "proj" / "project.yaml").is_file()


def test_a_gated_model_is_warned_of(tmp_path: Path, hub: HubServer) -> None:
    hub.add(REPO).commit(phi3_files())
    hub.repositories[REPO].gated = True
    done = new(tmp_path, hub)
    assert done.returncode == 0 and WARNING in done.stdout and "gated" in done.stdout


def test_offline_the_hubs_own_cache_is_read(tmp_path: Path, hub: HubServer) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    cache = tmp_path / "hf-home" / "hub" / f"models--{REPO.replace('/', '--')}"
    (cache / "refs").mkdir(parents=True)
    (cache / "refs" / "main").write_text(commit)
    files = {"config.json": json.dumps({"architectures": ["GemmaForCausalLM"]}).encode()}
    write(cache / "snapshots" / commit, files)
    done = new(tmp_path, hub, HF_HUB_OFFLINE="1")
    assert done.returncode == 2 and "GemmaForCausalLM" in done.stderr
    assert hub.requests == []
