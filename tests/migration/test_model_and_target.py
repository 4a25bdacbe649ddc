"""Which model and which target an old config means."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from phi3scaffold import migration
from tests.support.phi3_files import phi3_files, write

DIRECTML = {"device": "gpu", "execution_providers": ["DmlExecutionProvider"]}
MINI = "microsoft/Phi-3-mini-4k-instruct"


def planned(path: Path, **given: Any) -> migration.Plan:
    return migration.plan(migration.read(path), given)


def written(folder: Path, content: dict[str, Any]) -> Path:
    path = folder / "olive-config.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("model-cache/microsoft/phi-3-mini", MINI),
        ("C:\\models\\Phi-3-mini-128k-instruct", "microsoft/Phi-3-mini-128k-instruct"),
        ("azureml://registries/azureml/models/Phi-3-mini-4k-instruct/versions/7", MINI),
        ("phi-4-mini", "microsoft/Phi-4-mini-instruct"),
        ("somebody/our-tuned-one", "somebody/our-tuned-one"),
        ("microsoft/phi-2", None),
        ("microsoft/Phi-3-vision-128k-instruct", None),
        ("microsoft/Phi-3.5-MoE-instruct", None),
        ("meta-llama/Llama-2-7b-chat-hf", "meta-llama/Llama-2-7b-chat-hf"),
        ("qwen2.5-0.5b", "Qwen/Qwen2.5-0.5B-Instruct"),
        ("models/gemma-3-1b-it", "google/gemma-3-1b-it"),
        ("google/gemma-2b", None),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", None),
        ("Qwen/Qwen2.5-VL-3B-Instruct", None),
        ("models/mine", None),
        ("nobody", None),
        ("Your model", None),
    ],
)
def test_the_model(name: str, model: str | None, tmp_path: Path) -> None:
    plan = planned(written(tmp_path, {"input_model": {"type": "HfModel", "model_path": name}}))
    assert plan.answers.get("model") == model
    assert any(f"model.id: {MINI}" in line for line in plan.added) is (model is None)
    [outcome] = [one for one in plan.outcomes if one.name == "input_model.model_path"]
    assert outcome.look is (model is None)
    assert ("stands in" in outcome.why) is (model is None)
    assert any("when it is fetched" in line for line in plan.added) is (name == model)


def test_the_modules_are_those_of_the_model_that_is_kept(tmp_path: Path) -> None:
    passes = {"tune": {"type": "LoRA", "target_modules": ["q_proj", "v_proj"]}}
    for name, modules in (("Qwen/Qwen2.5-7B-Instruct", ["q_proj", "v_proj"]), (MINI, ["qkv_proj"])):
        model = {"type": "HfModel", "model_path": name}
        plan = planned(written(tmp_path, {"input_model": model, "passes": passes}))
        [outcome] = [one for one in plan.outcomes if one.name.endswith("target_modules")]
        assert (plan.answers["model"], outcome.value) == (name, modules)
    plan = planned(tmp_path / "olive-config.json", model="llama-3.2-1b")
    [outcome] = [one for one in plan.outcomes if one.name.endswith("target_modules")]
    assert outcome.value == ["q_proj", "v_proj"]


@pytest.mark.parametrize(
    ("architecture", "weights", "why"),
    [
        ("Phi3ForCausalLM", "model.safetensors", None),
        ("GPT2LMHeadModel", "model.safetensors", "architecture is GPT2LMHeadModel"),
        ("Phi3ForCausalLM", "pytorch_model.bin", "only safetensors are used"),
    ],
)
def test_a_model_in_a_folder(
    architecture: str, weights: str, why: str | None, tmp_path: Path
) -> None:
    """Beside the config, as the AI Toolkit kept it."""
    folder = tmp_path / "model-cache" / "ours"
    files = phi3_files(architectures=[architecture])
    files[weights] = files.pop("model.safetensors")
    write(folder, files)
    content = {"input_model": {"type": "HfModel", "model_path": "model-cache/ours"}}
    plan = planned(written(tmp_path, content))
    assert plan.answers.get("model") == (None if why else str(folder.resolve()))
    [outcome] = [one for one in plan.outcomes if one.name == "input_model.model_path"]
    assert (why or "") in outcome.why
    assert outcome.look is bool(why)


@pytest.mark.parametrize(
    ("system", "target"),
    [
        ({"accelerators": ["gpu"]}, "cuda"),
        ({"accelerators": ["cpu"]}, "cpu"),
        ({"accelerators": [DIRECTML]}, "directml"),
        ({"config": {"accelerators": [{"device": "npu"}]}}, "cpu"),
        ({}, "cpu"),
    ],
)
def test_the_target(system: dict[str, Any], target: str, tmp_path: Path) -> None:
    content = {"systems": {"x": {"type": "LocalSystem", **system}}, "passes": {}}
    assert planned(written(tmp_path, content)).answers["target"] == target
    content |= {"engine": {"host": {"type": "LocalSystem", **system}}, "systems": {}}
    assert planned(written(tmp_path, content)).answers["target"] == target


def test_a_system_of_azure_arc(tmp_path: Path) -> None:
    content = {"systems": {"azure_arc": {"type": "AzureML"}}, "engine": {"host": "azure_arc"}}
    assert planned(written(tmp_path, content)).answers["target"] == "arc"


@pytest.mark.parametrize(
    ("name", "given", "revision"),
    [(MINI, {}, "v2"), ("microsoft/phi-2", {}, None), (MINI, {"model": "tiny"}, None)],
)
def test_a_revision_is_of_its_model_alone(
    name: str, given: dict[str, Any], revision: str | None, tmp_path: Path
) -> None:
    model = {"type": "HfModel", "model_path": name, "load_kwargs": {"revision": "v2"}}
    plan = planned(written(tmp_path, {"input_model": model}), **given)
    assert plan.values.get("project.yaml: model.revision") == revision
    [outcome] = [one for one in plan.outcomes if one.name.endswith("revision")]
    assert bool(outcome.at) is bool(revision)
