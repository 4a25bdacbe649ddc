"""Each form harmed on purpose: the gate says which, and nothing is released."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import command
from tests.support.settings import untracked_copy

ROWS = 60


def corrupted_adapter(project: Path) -> None:
    """Noise instead of what was learned."""
    import torch
    from safetensors.torch import load_file, save_file

    file = project / "gen-model" / "adapter" / "adapter_model.safetensors"
    torch.manual_seed(0)
    noise = {name: torch.randn_like(weight) * 0.1 for name, weight in load_file(file).items()}
    save_file(noise, file, {"format": "pt"})
    as_if_made_so(file)


def wrong_merge(project: Path) -> None:
    """The merged model is the base: the adapter was lost on the way."""
    file = project / "gen-model" / "merged" / "model.safetensors"
    shutil.copyfile(project / "model-cache" / "base" / "model.safetensors", file)
    as_if_made_so(file)


def wrong_end_of_turn(project: Path) -> None:
    """The ONNX model does not know the id that ends its answers."""
    folder = project / "gen-model" / "onnx"
    prompt = json.loads((folder / "prompt.json").read_text())
    prompt["stop"] = [0]
    (folder / "prompt.json").write_text(json.dumps(prompt))
    genai = json.loads((folder / "genai_config.json").read_text())
    genai["model"]["eos_token_id"] = [0]
    (folder / "genai_config.json").write_text(json.dumps(genai))
    as_if_made_so(folder / "prompt.json", folder / "genai_config.json")


def bad_quantization(project: Path) -> None:
    """Two bits: what a user may try to save space with."""
    path = project / "fine-tuning" / "olive-config.json"
    config = json.loads(path.read_text())
    for settings in config["passes"].values():
        if settings["type"] == "Rtn":
            settings.update(bits=2, group_size=128)
            settings.pop("overrides", None)
    path.write_text(json.dumps(config))


def as_if_made_so(*files: Path) -> None:
    """Let the manifest say that the stage itself wrote these files."""
    path = files[0].parent / "manifest.json"
    made = json.loads(path.read_text())
    for file in files:
        content = file.read_bytes()
        made["files"][file.name] = {
            "sha256": hashlib.sha256(content).hexdigest(),
            "bytes": len(content),
        }
    path.write_text(json.dumps(made))


@pytest.fixture
def copied(tiny_project: Path, tmp_path: Path) -> Path:
    project = untracked_copy(tiny_project, tmp_path / "proj")
    settings = project / "project.yaml"
    settings.write_text(settings.read_text().replace("rows: auto", f"rows: {ROWS}"))
    return project


def release(project: Path) -> dict:
    return json.loads((project / "gen-model" / "release" / "release.json").read_text())


@pytest.mark.parametrize(
    ("harm", "form", "limit"),
    [
        (corrupted_adapter, "adapter", "over_majority"),
        (wrong_merge, "merged", "accuracy_lost"),
        (wrong_end_of_turn, "onnx", "truncated_answers"),
        (bad_quantization, "onnx", "accuracy_lost"),
    ],
)
def test_what_is_harmed_is_caught_at_its_form(
    harm: Callable[[Path], None], form: str, limit: str, copied: Path
) -> None:
    assert release(copied)["released"]
    harm(copied)
    done = command("run", cwd=copied, check=False)
    assert done.returncode == 1, done.stderr
    assert f"The gate failed, at the {form} form" in done.stderr
    assert "fix:" in done.stderr and "Traceback" not in done.stderr
    assert re.search(rf"failed +{limit} .* at {form}$", done.stdout, re.M)
    assert "gate: not released (second verdict on these held-out rows)" in done.stdout
    assert "gate: not released" in done.stdout
    assert "accuracy" in done.stdout  # the comparison is shown all the same
    found = release(copied)
    assert not found["released"]
    failed = {
        check["key"]: check["form"] for check in found["checks"] if check["verdict"] == "failed"
    }
    assert failed[limit] == form
    if harm is wrong_end_of_turn:  # whatever it was, nothing is made again, and it is no better
        again = command("run", cwd=copied, check=False)
        assert again.returncode == 1
        assert "evaluate: up to date" in again.stdout


def test_a_limit_is_looked_at_again_without_measuring(copied: Path) -> None:
    command("run", cwd=copied)
    settings = copied / "project.yaml"
    plain = settings.read_text()
    settings.write_text(plain.replace("size_mb: null", "size_mb: 1"))
    done = command("run", cwd=copied, check=False)
    assert done.returncode == 1
    assert "evaluate: up to date" in done.stdout
    assert re.search(r"failed +size_mb .* at onnx$", done.stdout, re.M)
    page = copied / "gen-model" / "report" / "index.html"
    assert f"report: {page.relative_to(copied)}" in done.stdout
    assert "⚠ Not released" in page.read_text(encoding="utf-8")
    shown = command("report", cwd=copied, check=False)
    assert shown.returncode == 1 and "The gate failed" in shown.stderr
    assert shown.stdout.splitlines()[-1] == str(page.relative_to(copied))
    settings.write_text(plain)
    assert "gate: released" in command("run", cwd=copied).stdout
    assert "✓ Released" in page.read_text(encoding="utf-8")


def test_a_small_held_out_split_says_so(copied: Path) -> None:
    settings = copied / "project.yaml"
    settings.write_text(settings.read_text().replace(f"rows: {ROWS}", "rows: 8"))
    done = command("run", cwd=copied, check=False)
    assert "forms can hardly be told apart" in done.stdout
    assert done.returncode == 1 and "It is unknown whether the gate passes" in done.stderr
    assert re.search(r"unknown agreement .*\n +8 rows cannot tell it; about \d+ ", done.stdout)
    metrics = json.loads((copied / "gen-model" / "evaluation" / "metrics.json").read_text())
    low, high = metrics["forms"]["adapter"]["accuracy_interval"]
    assert high - low > 0.25
