"""A made-up family, declared in one place, is known wherever families differ."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from phi3scaffold.checks.lint import target_modules
from phi3scaffold.checks.lint_context import LintContext
from phi3scaffold.generator import new
from phi3scaffold.migration.context import MigrationContext
from phi3scaffold.migration.conversions import modules
from phi3scaffold.models import catalogue, model_folder
from phi3scaffold.models.families import registry
from phi3scaffold.models.families.family import Family
from phi3scaffold.project.errors import ScaffoldError
from tests.support.phi3_files import phi3_files, write

MADE_UP = Family(
    name="made_up",
    title="Made-Up",
    architecture="MadeUpForCausalLM",
    config_class="MadeUpConfig",
    target_modules=("mixer", "expert"),
    fused={"mixer": ("q_proj", "k_proj", "v_proj"), "expert": ("gate_proj", "up_proj")},
    old_rope_types=("ancient",),
)


def weights(*modules: str) -> bytes:
    """Return a safetensors file with an empty matrix for each module."""
    about = {"dtype": "F32", "shape": [0, 1], "data_offsets": [0, 0]}
    header = json.dumps({f"model.layers.0.{name}.weight": about for name in modules}).encode()
    return struct.pack("<Q", len(header)) + header


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "FAMILIES", (*registry.FAMILIES, MADE_UP))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rope = {"type": "ancient", "long_factor": [1.0], "short_factor": [1.0]}
    files = phi3_files(architectures=[MADE_UP.architecture], rope_scaling=rope)
    return write(tmp_path / "base", files)


def test_the_catalogue_describes_its_models(folder: Path) -> None:
    entry = catalogue.describe(folder)
    assert (entry.family, entry.target_modules) == (MADE_UP, ("mixer", "expert"))
    assert catalogue.family_for(str(folder)) is MADE_UP
    assert catalogue.family_for("somebody/unseen") is registry.DEFAULT


def test_its_folder_is_taken_and_its_old_settings_are_renamed(folder: Path) -> None:
    model_folder.check_model_folder(folder)
    assert model_folder.modernise(folder)[0].endswith("ancient -> longrope")


def test_a_message_names_its_architecture(tmp_path: Path) -> None:
    other = write(tmp_path / "other", phi3_files(architectures=["Gemma"]))
    with pytest.raises(ScaffoldError, match=MADE_UP.architecture):
        catalogue.describe(other)


def test_a_new_project_trains_its_modules_and_lint_knows_them(folder: Path, tmp_path: Path) -> None:
    answers = {"algo": "lora", "target": "cpu", "task": "qa", "model": str(folder)}
    root = new(tmp_path / "proj", answers, git=False, wheel=False)
    path = root / "fine-tuning" / "olive-config.json"
    config = json.loads(path.read_text())
    assert config["passes"]["finetune"]["target_modules"] == ["mixer", "expert"]
    config["passes"]["finetune"]["target_modules"] = ["q_proj", "expert"]
    path.write_text(json.dumps(config))
    base = root / "model-cache" / "base"
    base.mkdir(parents=True, exist_ok=True)
    (base / "model.safetensors").write_bytes(weights(*MADE_UP.target_modules))
    (finding,) = target_modules.check(LintContext(root))
    assert "'q_proj'" in finding.what and str(finding.fix).startswith("did you mean mixer?")


def test_an_old_config_is_translated_to_its_modules() -> None:
    context = MigrationContext("lora", "cpu", "int4", family=MADE_UP)
    assert modules(["q_proj", "k_proj", "fc1"], context) == ["mixer", "expert"]
