"""Training stops when the validation loss has stopped falling, and keeps its best adapter."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from phi3scaffold.training.validation_history import BestStep, best_step, describe_steps
from tests.conftest import command

NEEDED = ("torch", "olive", "peft")
pytestmark = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, NEEDED)), reason=f"needs {', '.join(NEEDED)}"
)
STEPS = 24
PATIENCE = 4


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a few rows, evaluated at each step, whose rate is far too high."""
    folder = tmp_path_factory.mktemp("stopping")
    answers = ("--algo", "lora", "--target", "cpu", "--task", "classify", "--model", "tiny")
    command("new", "proj", *answers, "--defaults", "--no-git", cwd=folder)
    root = folder / "proj"
    rows = (root / "datasets" / "train.jsonl").read_text().splitlines(keepends=True)
    for name, part in (("train", rows[:48]), ("validation", rows[48:64])):
        (root / "datasets" / f"{name}.jsonl").write_text("".join(part))
    spec = root / "datasets" / "dataset.yaml"
    text = spec.read_text()
    assert "validation: auto" in text
    spec.write_text(text.replace("validation: auto", "validation: [validation.jsonl]"))
    settings = root / "project.yaml"
    text = settings.read_text()
    assert "early_stopping_patience: 3" in text
    settings.write_text(
        text.replace("early_stopping_patience: 3", f"early_stopping_patience: {PATIENCE}")
    )
    training(
        root,
        max_steps=STEPS,
        eval_steps=1,
        save_steps=1,
        learning_rate=0.02,
        lr_scheduler_type="constant",
        warmup_steps=0,
    )
    command("data", cwd=root)
    command("model", cwd=root)
    return root


def training(root: Path, **arguments: Any) -> None:
    path = root / "fine-tuning" / "olive-config.json"
    content = json.loads(path.read_text())
    content["passes"]["finetune"]["torch_dtype"] = "float32"
    content["passes"]["finetune"]["training_args"].update(arguments)
    path.write_text(json.dumps(content))


def copied(prepared: Path, folder: Path) -> Path:
    return Path(shutil.copytree(prepared, folder / "proj", symlinks=True))


def facts(root: Path) -> dict[str, Any]:
    content = json.loads((root / "gen-model" / "adapter" / "manifest.json").read_text())
    return dict(content["facts"])


def weights(root: Path) -> Any:
    from safetensors.numpy import load_file

    return load_file(root / "gen-model" / "adapter" / "adapter_model.safetensors")


@pytest.fixture(scope="module")
def stopped(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The project once trained, and what the command printed."""
    root = copied(prepared, tmp_path_factory.mktemp("stopped"))
    return root, command("finetune", cwd=root).stdout


def test_it_stops_and_says_where(stopped: tuple[Path, str]) -> None:
    root, printed = stopped
    made = facts(root)
    best, steps = made["best_step"], made["steps"]
    assert steps == best + PATIENCE < STEPS == made["planned_steps"]
    assert f"stopped at step {steps} of {STEPS}: the validation loss has not fallen" in printed
    assert f"LoRA, stopped at step {steps} of {STEPS}, best at {best}, " in printed
    history = json.loads((root / "gen-model" / "adapter" / "history.json").read_text())
    losses = {entry["step"]: entry["eval_loss"] for entry in history if "eval_loss" in entry}
    assert sorted(losses) == list(range(1, steps + 1))
    assert made["validation_loss"] == min(losses.values()) == losses[best]
    assert made["early_stopping_off"] == ""


def test_the_adapter_is_that_of_the_best_step(
    stopped: tuple[Path, str], prepared: Path, tmp_path: Path
) -> None:
    root, _ = stopped
    other = copied(prepared, tmp_path)
    best = facts(root)["best_step"]
    training(other, max_steps=best, load_best_model_at_end=False)
    command("finetune", cwd=other)
    made = facts(other)
    assert (made["steps"], made["best_step"]) == (best, None)
    assert made["early_stopping_off"] == "load_best_model_at_end is not true"
    wanted = weights(other)
    for name, tensor in weights(root).items():
        assert abs(tensor - wanted[name]).max() <= 1e-6, name


def test_a_killed_run_decides_the_same(
    stopped: tuple[Path, str], prepared: Path, tmp_path: Path
) -> None:
    """Killed behind its best step, and run again: the same stop, the same adapter."""
    best = facts(stopped[0])["best_step"]
    root = copied(prepared, tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-m", "phi3scaffold", "finetune"], cwd=root, stdout=subprocess.DEVNULL
    )
    partial = root / "gen-model" / ".adapter-partial"
    limit = time.monotonic() + 240
    while not list(partial.glob(f"*/*/step-{best + 1}/manifest.json")):
        assert process.poll() is None and time.monotonic() < limit
        time.sleep(0.01)
    for one in (psutil.Process(process.pid), *psutil.Process(process.pid).children(True)):
        one.kill()
    process.wait()
    printed = command("finetune", cwd=root).stdout
    assert "resumes after step " in printed
    keys = ("steps", "planned_steps", "best_step", "validation_loss")
    made, wanted = facts(root), facts(stopped[0])
    assert {key: made[key] for key in keys} == pytest.approx({key: wanted[key] for key in keys})
    same = weights(stopped[0])
    for name, tensor in weights(root).items():
        assert abs(tensor - same[name]).max() <= 1e-6, name


def test_without_validation_rows_it_is_off_and_says_why(prepared: Path, tmp_path: Path) -> None:
    root = copied(prepared, tmp_path)
    spec = root / "datasets" / "dataset.yaml"
    spec.write_text(spec.read_text().replace("[validation.jsonl]", "auto"))
    training(root, max_steps=1)
    printed = command("finetune", cwd=root).stdout
    assert "no validation set, so early stopping is off: fewer than 250 rows" in printed
    assert facts(root)["early_stopping_off"] == "fewer than 250 rows"


def test_the_first_of_equal_losses_is_the_best() -> None:
    losses = (3.0, 1.0, float("nan"), 1.0)
    history = [{"eval_loss": loss, "step": 5 * at} for at, loss in enumerate(losses, start=1)]
    assert best_step([*history, {"loss": 0.5, "step": 21}]) == BestStep(10, 1.0, later=2)
    assert best_step([{"loss": 1.0, "step": 1}]) is None


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        (
            {"steps": 90, "planned_steps": 174, "best_step": 75},
            "stopped at step 90 of 174, best at 75",
        ),
        ({"steps": 174, "planned_steps": 174, "best_step": 150}, "174 steps, best at 150"),
        ({"steps": 174, "planned_steps": 174, "best_step": 174}, "174 steps"),
        ({"steps": 1}, "1 step"),  # as earlier versions wrote them
    ],
)
def test_steps_in_words(facts: dict[str, Any], text: str) -> None:
    assert describe_steps(facts) == text
