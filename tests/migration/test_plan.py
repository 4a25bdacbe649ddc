"""The fate of every field, for configs of each style."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from phi3scaffold import migration
from phi3scaffold.migration.fields import OLIVE
from phi3scaffold.migration.plan import DROPPED, KEPT, MOVED, RENAMED, UNKNOWN, FieldOutcome

SAMPLES = Path(__file__).with_name("samples")
CONFIGS = sorted([*SAMPLES.glob("*.json"), *SAMPLES.glob("*.yaml")])
PASS = f"{OLIVE}passes.finetune."
DATASET = "datasets/dataset.yaml: "
CODE = "data_configs.code_train.params_config.component_kwargs"
DIRECTML = {"device": "gpu", "execution_providers": ["DmlExecutionProvider"]}
MINI = "microsoft/Phi-3-mini-4k-instruct"


def planned(path: Path, **given: Any) -> migration.Plan:
    return migration.plan(migration.read(path), given)


def outcomes(path: Path, **given: Any) -> dict[str, FieldOutcome]:
    return {outcome.name: outcome for outcome in planned(path, **given).outcomes}


def written(folder: Path, content: dict[str, Any]) -> Path:
    path = folder / "olive-config.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_field_is_accounted_for(path: Path) -> None:
    old = migration.read(path)
    plan = migration.plan(old)
    assert [outcome.name for outcome in plan.outcomes] == [leaf.name for leaf in old.leaves]
    for outcome in plan.outcomes:
        gone = outcome.fate in (DROPPED, UNKNOWN)
        assert bool(outcome.at) is not gone, outcome
        assert outcome.why or not gone, outcome


def mappings(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for one in value.values() if isinstance(value, dict) else value:
        if isinstance(one, (dict, list)):
            yield from mappings(one)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_a_field_that_nobody_knows_is_reported_wherever_it_stands(
    path: Path, tmp_path: Path
) -> None:
    content = migration.read(path).content
    for index in range(len(list(mappings(content)))):
        changed = copy.deepcopy(content)
        list(mappings(changed))[index]["zz_new"] = 1
        found = outcomes(written(tmp_path, changed))
        new = [outcome for name, outcome in found.items() if "zz_new" in name.split(".")]
        assert len(new) == 1
        assert new[0].fate in (UNKNOWN, DROPPED)
        assert new[0].why


# file, field, fate, place, value
FATES: list[tuple[str, str, str, str, Any]] = [
    ("local-0.6.json", "passes.lora.type", MOVED, "--algo", "lora"),
    ("local-0.6.json", "passes.lora.config.lora_r", RENAMED, f"{PASS}r", 8),
    ("local-0.6.json", "passes.lora.config.lora_alpha", RENAMED, f"{PASS}alpha", 24),
    ("local-0.6.json", "passes.lora.config.lora_dropout", KEPT, f"{PASS}lora_dropout", 0.1),
    (
        "local-0.6.json",
        "passes.lora.config.eval_dataset_size",
        MOVED,
        f"{DATASET}files.held_out",
        0.25,
    ),
    (
        "local-0.6.json",
        "passes.lora.config.training_args.seed",
        KEPT,
        f"{PASS}training_args.seed",
        7,
    ),
    (
        "local-0.6.json",
        "data_configs[0].pre_process_data_config.params.source_max_len",
        MOVED,
        f"{DATASET}max_tokens",
        128,
    ),
    (
        "local-0.6.json",
        "data_configs[0].pre_process_data_config.params.text_template",
        MOVED,
        f"{DATASET}turns",
        ("### Say the tone of: {phrase}\n### Tone:", "{tone}", None),
    ),
    (
        "local-0.6.json",
        "input_model.config.hf_config.model_name",
        MOVED,
        "project.yaml: model.id",
        MINI,
    ),
    ("local-0.6.json", "engine.log_severity_level", KEPT, f"{OLIVE}log_severity_level", 0),
    ("azure-0.6.json", "systems.cluster.type", MOVED, "--target", "aml"),
    (
        "azure-0.6.json",
        "passes.qlora.config.training_args.warmup_ratio",
        RENAMED,
        f"{PASS}training_args.warmup_steps",
        0.1,
    ),
    (
        "azure-0.6.json",
        "passes.qlora.config.training_args.bf16",
        RENAMED,
        f"{PASS}torch_dtype",
        "bfloat16",
    ),
    (
        "azure-0.6.json",
        "input_model.config.model_path.config.name",
        MOVED,
        "project.yaml: model.id",
        MINI,
    ),
    ("toolkit-0.3.json", "engine.target.config.accelerators", MOVED, "--target", "cuda"),
    (
        "toolkit-0.3.json",
        "passes.qlora.config.training_args.learning_rate",
        KEPT,
        f"{PASS}training_args.learning_rate",
        0.0002,
    ),
    (
        "toolkit-0.3.json",
        f"{CODE}.pre_process_data.source_max_len",
        MOVED,
        f"{DATASET}max_tokens",
        1024,
    ),
    (
        "toolkit-0.7.json",
        "input_model.model_path",
        MOVED,
        "project.yaml: model.id",
        "microsoft/Phi-3.5-mini-instruct",
    ),
    (
        "toolkit-0.7.json",
        "passes.tune.target_modules",
        KEPT,
        f"{PASS}target_modules",
        ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"],
    ),
    ("toolkit-0.7.json", "passes.metadata.precision", MOVED, "--precision", "fp16"),
    (
        "toolkit-0.7.json",
        "passes.tune.training_args.gradient_checkpointing_kwargs.use_reentrant",
        KEPT,
        f"{PASS}training_args.gradient_checkpointing_kwargs.use_reentrant",
        False,
    ),
    ("genai-0.5.json", "passes.export.type", KEPT, f"{OLIVE}passes.build.type", "ModelBuilder"),
    ("genai-0.5.json", "passes.export.config.precision", MOVED, "--precision", "fp32"),
    (
        "genai-0.5.json",
        "passes.convert.config.merge_adapter_weights",
        RENAMED,
        f"{OLIVE}passes.merge.type",
        "MergeAdapterWeights",
    ),
    (
        "genai-0.5.json",
        "passes.tune.config.training_args.max_steps",
        KEPT,
        f"{PASS}training_args.max_steps",
        18,
    ),
    ("flat-0.9.json", "passes.dora[0].type", MOVED, "--algo", "dora"),
    ("flat-0.9.json", "passes.gptq.type", MOVED, "--quantizer", "gptq"),
    ("flat-0.9.json", "passes.gptq.group_size", KEPT, f"{OLIVE}passes.quantize.group_size", 64),
    ("flat-0.9.json", "target", MOVED, "--target", "directml"),
    (
        "flat-0.9.json",
        "data_configs[0].pre_process_data_config.text_cols",
        MOVED,
        f"{DATASET}turns",
        ("{Question}", "{Best Answer}", None),
    ),
]
# file, field, what the reason holds
GONE: list[tuple[str, str, str]] = [
    ("local-0.6.json", "passes.lora.config.double_quant", "QLoRA alone"),
    (
        "local-0.6.json",
        "passes.lora.config.training_args.evaluation_strategy",
        "phi3scaffold evaluate",
    ),
    ("local-0.6.json", "passes.lora.config.training_args.group_by_length", "packed"),
    ("local-0.6.json", "data_configs[0].load_dataset_config.params.data_name", "file's own name"),
    ("azure-0.6.json", "azureml_client.keyvault_name", "placeholder"),
    ("azure-0.6.json", "systems.cluster.config.aml_docker_config.conda_file_path", "conda.yaml"),
    ("azure-0.6.json", "systems.cluster.config.hf_token", "no Key Vault"),
    ("azure-0.6.json", "systems.azure_arc.config.aml_compute", "one system"),
    (
        "azure-0.6.json",
        "data_configs[0].load_dataset_config.params.data_files.config.relative_path",
        "sample rows",
    ),
    (
        "azure-0.6.json",
        "data_configs[0].pre_process_data_config.params.text_template",
        "sample rows",
    ),
    ("azure-0.6.json", "passes.qlora.config.target_modules", "every layer"),
    ("toolkit-0.3.json", "passes.qlora.config.eval_dataset_size", "1024 rows are no share"),
    ("toolkit-0.3.json", "passes.qlora.config.training_args.max_steps", "num_train_epochs"),
    ("toolkit-0.3.json", "data_configs.code_train.user_script", "code of the old project"),
    ("toolkit-0.7.json", "data_configs[0].load_dataset_config.split", "names the held-out rows"),
    ("toolkit-0.7.json", "data_configs[2].type", "no training pass"),
    ("toolkit-0.7.json", "passes.conversion.target_opset", "ModelBuilder converts"),
    ("toolkit-0.7.json", "passes.extract.make_inputs", "phi3scaffold adapters"),
    (
        "toolkit-0.7.json",
        "evaluators.common.metrics[0].sub_types[0].goal.value",
        "release thresholds",
    ),
    ("toolkit-0.7.json", "search_strategy.search_algorithm", "nothing is searched"),
    ("messy.json", "output_dir", "gen-model"),
    ("genai-0.5.json", "passes.export.config.metadata_only", "ModelBuilder makes"),
    ("genai-0.5.json", "passes.export.config.search.max_length", "ModelBuilder makes"),
    ("genai-0.5.json", "passes.convert.config.target_opset", "ModelBuilder converts"),
    ("genai-0.5.json", "input_model.config.io_config", "ModelBuilder makes"),
]


@pytest.mark.parametrize(("file", "name", "fate", "at", "value"), FATES)
def test_where_a_field_goes(file: str, name: str, fate: str, at: str, value: Any) -> None:
    outcome = outcomes(SAMPLES / file)[name]
    assert (outcome.fate, outcome.at, outcome.value) == (fate, at, value)


@pytest.mark.parametrize(("file", "name", "why"), GONE)
def test_why_a_field_is_gone(file: str, name: str, why: str) -> None:
    outcome = outcomes(SAMPLES / file)[name]
    assert outcome.fate == DROPPED
    assert why in outcome.why


def test_what_is_unknown_is_said_to_be() -> None:
    unknown = {
        name for path in CONFIGS for name, one in outcomes(path).items() if one.fate == UNKNOWN
    }
    assert unknown == {
        f"{CODE}.load_dataset.language",
        "passes.tune.config.train_data_config.load_dataset_config.made_up",
        "passes.tune.config.train_data_config.nonsense",
        "passes.tune.shiny_new_thing",
        "passes.tune.training_args.made_up_argument",
    }
