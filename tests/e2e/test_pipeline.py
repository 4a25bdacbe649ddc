"""The real pipeline on the embedded model: it learns, it ships what it learned, it stays fresh."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from phi3scaffold.project.settings import load_project
from phi3scaffold.stages.graph import STAGES, up_to
from tests.conftest import command
from tests.support.settings import measure_only, untracked_copy

PROJECTS = ("tiny_project", "tiny_qlora_project")


@pytest.fixture
def copied(tiny_project: Path, tmp_path: Path) -> Path:
    """A copy of the trained LoRA project, to be changed."""
    return untracked_copy(tiny_project, tmp_path / "proj")


def metrics(project: Path) -> dict:
    return json.loads((project / "gen-model" / "evaluation" / "metrics.json").read_text())


def adapter_files(project: Path) -> dict[str, str]:
    """Name -> sha256, without the history, which holds seconds."""
    made = json.loads((project / "gen-model" / "adapter" / "manifest.json").read_text())
    return {n: file["sha256"] for n, file in made["files"].items() if n != "history.json"}


def adapter_hash(project: Path) -> str:
    return adapter_files(project)["adapter_model.safetensors"]


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def shorten(project: Path, steps: int) -> None:
    config = project / "fine-tuning" / "olive-config.json"
    content = json.loads(config.read_text())
    content["passes"]["finetune"]["training_args"]["max_steps"] = steps
    config.write_text(json.dumps(content))


@pytest.mark.parametrize("name", PROJECTS)
def test_it_learns_and_ships_what_it_learned(name: str, request: pytest.FixtureRequest) -> None:
    found = metrics(request.getfixturevalue(name))
    assert found["rows"] == found["held_out"] >= 400
    accuracy = {form: rung["accuracy"] for form, rung in found["forms"].items()}
    assert accuracy["base"] <= 0.35
    assert accuracy["adapter"] >= 0.90
    assert accuracy["onnx"] >= accuracy["adapter"] - 0.02


@pytest.mark.parametrize("name", PROJECTS)
def test_every_form_says_what_made_it(name: str, request: pytest.FixtureRequest) -> None:
    project = request.getfixturevalue(name)
    for form in ("adapter", "merged", "onnx"):
        made = json.loads((project / "gen-model" / form / "manifest.json").read_text())
        assert made["versions"]["olive-ai"] == "0.13.0"
        assert {"prompt.json", "tokenizer.json"} <= set(made["files"])
        assert json.loads((project / "gen-model" / form / "prompt.json").read_text())[
            "demonstration"
        ]


def test_scratch_and_olives_cache_are_gone(tiny_project: Path) -> None:
    assert not (tiny_project / "gen-model" / ".work").exists()
    assert not list(tiny_project.rglob(".olive-cache"))
    status = subprocess.run(
        ["git", "status", "--porcelain"], cwd=tiny_project, capture_output=True, text=True
    )
    assert [line for line in status.stdout.splitlines() if "model.lock" not in line] == []


def test_an_unchanged_project_is_left_alone(tiny_project: Path) -> None:
    before = (tiny_project / "gen-model" / "adapter" / "manifest.json").stat().st_mtime_ns
    done = command("run", cwd=tiny_project)
    wanted = [name for name in up_to("report") if STAGES[name].wanted(load_project(tiny_project))]
    assert re.findall(r"^(\w+): up to date$", done.stdout, re.M) == wanted
    assert (tiny_project / "gen-model" / "adapter" / "manifest.json").stat().st_mtime_ns == before


def test_the_first_held_out_row_is_answered(tiny_project: Path) -> None:
    """What `make infer` asks where no text was given."""
    done = command("infer", "--example", cwd=tiny_project)
    assert done.stdout.strip() in ("joy", "fear", "sadness", "surprise")
    assert "Tone:" in done.stderr


def test_a_changed_row_is_trained_again(copied: Path) -> None:
    shorten(copied, 2)
    command("finetune", cwd=copied)
    before = adapter_hash(copied)
    rows = copied / "datasets" / "train.jsonl"
    changed = [json.loads(line) for line in rows.read_text().splitlines()]
    for row in changed:
        row["phrase"] += " So it was."
    rows.write_text("".join(json.dumps(row) + "\n" for row in changed))
    done = command("finetune", cwd=copied)
    assert "finetune: done" in done.stdout
    assert adapter_hash(copied) != before


def test_a_file_by_a_librarys_name_is_not_taken_for_it(copied: Path) -> None:
    for name in ("random.py", "numpy.py"):
        (copied / name).write_text("raise SystemExit('not this one')\n")
    shorten(copied, 1)
    assert "finetune: done" in command("finetune", cwd=copied).stdout


def test_training_is_the_same_every_time(copied: Path) -> None:
    shorten(copied, 3)
    made = []
    for _ in range(2):
        shutil.rmtree(copied / "gen-model" / "adapter")
        command("finetune", cwd=copied)
        made.append(adapter_files(copied))
    assert made[0] == made[1]


def test_stock_olive_trains_on_the_same_labels(copied: Path) -> None:
    """Padded, one row beside the other, it has the losses that the packed rows have."""
    shorten(copied, 4)
    change(copied / "fine-tuning" / "olive-config.json", '"bfloat16"', '"float32"')
    # Small steps: where adapters start shows less than a wrong label would.
    change(
        copied / "fine-tuning" / "olive-config.json", '"warmup_steps": 0.1', '"warmup_steps": 10'
    )
    command("finetune", cwd=copied)
    history = json.loads((copied / "gen-model" / "adapter" / "history.json").read_text())
    ours = [entry["loss"] for entry in history if "loss" in entry]
    config = copied / "fine-tuning" / "olive-config.json"
    content = json.loads(config.read_text())
    content["passes"] = {"finetune": content["passes"]["finetune"]}
    training = content["passes"]["finetune"]["training_args"]
    training.update(output_dir="checkpoints")
    config.write_text(json.dumps(content))
    done = subprocess.run(
        [sys.executable, "-m", "olive", "run", "--config", "fine-tuning/olive-config.json"],
        cwd=copied,
        capture_output=True,
        text=True,
        env={**os.environ, "OLIVE_DISABLE_TELEMETRY": "1", "CI": "1"},
    )
    state = copied / "checkpoints" / "checkpoint-4" / "trainer_state.json"
    assert state.exists(), done.stderr[-2000:]
    told = json.loads(state.read_text())["log_history"]
    stock = [entry["loss"] for entry in told if "loss" in entry]
    # Stock Olive starts its adapters from no seed, which shows from the third step on.
    assert stock[:2] == pytest.approx(ours[:2], abs=1e-3)
    assert stock == pytest.approx(ours, abs=0.05)


def test_a_setting_that_olive_would_ignore_is_refused(copied: Path) -> None:
    config = copied / "fine-tuning" / "olive-config.json"
    change(config, '"r":', '"lora_r": 8, "r":')
    done = command("finetune", cwd=copied, check=False)
    assert done.returncode == 2
    assert "lora_r" in done.stderr
    assert "Traceback" not in done.stderr
    assert (copied / "gen-model" / "adapter" / "adapter_model.safetensors").exists()


def test_a_failing_stage_names_its_log(copied: Path) -> None:
    weights = copied / "model-cache" / "base" / "model.safetensors"
    shorten(copied, 1)
    manifest = copied / "model-cache" / "base" / "manifest.json"
    content = json.loads(manifest.read_text())
    weights.write_bytes(weights.read_bytes()[:1000])
    content["files"]["model.safetensors"] = {
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "bytes": 1000,
    }
    manifest.write_text(json.dumps(content))
    done = command("finetune", cwd=copied, check=False)
    assert done.returncode == 1
    assert "run.log" in done.stderr
    assert "Traceback" not in done.stderr
    assert (copied / "gen-model" / "adapter" / "adapter_model.safetensors").exists()


def test_a_model_for_other_hardware_is_built_and_not_measured(tmp_path: Path) -> None:
    answers = ("--algo", "lora", "--target", "directml", "--task", "classify", "--model", "tiny")
    command("new", "proj", *answers, "--defaults", "--no-git", cwd=tmp_path)
    project = tmp_path / "proj"
    shorten(project, 1)
    measure_only(project, rows=4)
    done = command("run", cwd=project)
    assert "not measured: built for DML" in done.stdout
    assert set(metrics(project)["forms"]) == {"base", "adapter", "merged"}
    asked = command("infer", "Hello", cwd=project, check=False)
    assert asked.returncode == 1
    assert "DML" in asked.stderr
    assert "Traceback" not in asked.stderr


def test_the_onnx_forms_tokenizer_is_one_that_older_genai_knows(tiny_project: Path) -> None:
    folder = tiny_project / "gen-model" / "onnx"
    kind = json.loads((folder / "tokenizer_config.json").read_text())["tokenizer_class"]
    assert kind in ("PreTrainedTokenizerFast", "GPT2Tokenizer", "LlamaTokenizer")
