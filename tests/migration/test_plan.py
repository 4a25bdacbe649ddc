"""The fate of every field, for configs of each style."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from phi3scaffold import migration
from phi3scaffold.generator import template
from phi3scaffold.migration.fields import FIELDS, OLIVE
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
        "passes.tune.shiny_new_thing",
        "passes.tune.training_args.made_up_argument",
    }


# a setting of the training pass, what the reason holds
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"r": 0}, "at least 1"),
    ({"r": "many"}, "must be a number"),
    ({"r": True}, "must be a number"),
    ({"r": 2.5}, "whole number"),
    ({"r": "<lora_r>"}, "placeholder"),
    ({"alpha": -1}, "at least 0"),
    ({"lora_dropout": 1.5}, "below 1"),
    ({"target_modules": ["c_attn"]}, "no c_attn"),
    ({"target_modules": "all-linear"}, "list of names"),
    ({"torch_dtype": "int8"}, "bfloat16, float16, float32"),
    ({"torch_dtype": "float16"}, "GPU"),
    ({"modules_to_save": None}, "empty"),
    ({"training_args": {"learning_rate": float("inf")}}, "at least 0"),
    ({"training_args": {"optim": "paged_adamw_8bit"}}, "GPU"),
    ({"training_args": {"gradient_checkpointing": "yes"}}, "true or false"),
    ({"training_args": {}}, "empty"),
]


@pytest.mark.parametrize(("settings", "why"), REFUSED)
def test_a_value_that_cannot_be(settings: dict[str, Any], why: str, tmp_path: Path) -> None:
    found = outcomes(written(tmp_path, {"passes": {"x": {"type": "LoRA", **settings}}}))
    [outcome] = [one for name, one in found.items() if name != "passes.x.type"]
    assert outcome.fate in (DROPPED, UNKNOWN)
    assert why in outcome.why


@pytest.mark.parametrize(
    ("passes", "precision", "added"),
    [
        (
            {"c": {"type": "OnnxConversion", "merge_adapter_weights": False}},
            None,
            {"merge", "build"},
        ),
        ({"c": {"type": "OnnxConversion", "merge_adapter_weights": True}}, None, {"build"}),
        ({"m": {"type": "mergeadapterweights"}}, None, {"build"}),
        ({"g": {"type": "GenAIModelExporter", "precision": "int8"}}, "int8", {"merge"}),
        ({"g": {"type": "GenAIModelExporter", "precision": "int2"}}, None, {"merge"}),
    ],
)
def test_the_passes_that_merge_and_build(
    passes: dict[str, Any], precision: str | None, added: set[str], tmp_path: Path
) -> None:
    plan = planned(written(tmp_path, {"passes": {"x": {"type": "LoRA"}, **passes}}))
    assert plan.answers.get("precision") == precision
    assert {line.split(":")[0].split(".")[1] for line in plan.added if "passes." in line} == added
    reasons = [one.why for one in plan.outcomes if one.name == "passes.g.precision" and one.look]
    assert any("--precision int4 is used" in why for why in reasons) is ("int2" in str(passes))


def test_a_pass_that_has_no_place_is_named(tmp_path: Path) -> None:
    passes = {"x": {"type": "LoRA"}, "s": {"type": "SliceGPT", "sparsity": 0.4}}
    found = outcomes(written(tmp_path, {"passes": passes}))
    assert (found["passes.s.type"].fate, found["passes.s.type"].look) == (DROPPED, True)
    assert "no pass SliceGPT" in found["passes.s.type"].why
    assert found["passes.s.sparsity"].fate == DROPPED


def test_what_was_given_wins_and_is_said() -> None:
    plan = planned(SAMPLES / "local-0.6.json", target="cuda", model="tiny", data="rows.jsonl")
    assert plan.answers["target"] == "cuda"
    assert plan.answers["model"] == "tiny"
    assert plan.data == "rows.jsonl"
    reasons = {outcome.why for outcome in plan.outcomes}
    assert {"--target cuda was given", "--model tiny was given", "--data was given"} <= reasons


def test_two_fields_that_disagree(tmp_path: Path) -> None:
    found = outcomes(written(tmp_path, {"passes": {"x": {"type": "LoRA", "r": 8, "lora_r": 16}}}))
    assert found["passes.x.r"].value == 8
    assert found["passes.x.lora_r"].fate == DROPPED
    assert "says it already" in found["passes.x.lora_r"].why


def test_secrets_are_not_told(tmp_path: Path) -> None:
    content = {
        "azureml_client": {"password": "a-secret"},
        "systems": {"x": {"type": "LocalSystem", "hf_token": "hf_secret"}},
        "data_configs": [{"name": "a", "load_dataset_config": {"token": "hf_secret"}}],
        "passes": {"x": {"type": "LoRA", "training_args": {"hub_token": "hf_secret"}}},
    }
    told = repr(planned(written(tmp_path, content)).outcomes)
    assert "secret" not in told


def test_what_is_lost_is_marked_and_what_was_never_needed_is_not() -> None:
    found = outcomes(SAMPLES / "local-0.6.json")
    assert not [name for name, one in found.items() if one.look]
    marked = {name for name, one in outcomes(SAMPLES / "azure-0.6.json").items() if one.look}
    assert "azureml_client.subscription_id" in marked
    assert "data_configs[0].pre_process_data_config.params.text_template" in marked
    assert "engine.cache_dir" not in marked


def test_the_table_names_what_there_is() -> None:
    """Options of `new`, and passes that the template emits."""
    passes = ("finetune", "merge", "quantize", "build")
    for address, rule in FIELDS.items():
        if rule.at.startswith("--"):
            assert rule.at[2:] in template.questions(), address
        elif rule.at.startswith(f"{OLIVE}passes."):
            assert rule.at.removeprefix(f"{OLIVE}passes.").split(".")[0] in passes, address


@pytest.mark.parametrize(
    ("splits", "files", "held_out"),
    [
        (["train[:70%]", "train[70%:]"], ["a", "a"], 0.3),
        (["train", "test"], ["a", "a"], None),
        (["train[:70%]", "train"], ["a", "b"], "b"),
        (["train[5:]", "train"], ["a", "a"], None),
    ],
)
def test_training_rows_are_never_held_out_rows(
    splits: list[str], files: list[str], held_out: float | str | None, tmp_path: Path
) -> None:
    for name in "ab":
        (tmp_path / f"{name}.jsonl").write_text("{}", encoding="utf-8")
    configs = [
        {"name": name, "load_dataset_config": {"data_files": f"{file}.jsonl", "split": split}}
        for name, file, split in zip(("train", "eval"), files, splits, strict=True)
    ]
    settings = {"type": "LoRA", "train_data_config": "train", "eval_data_config": "eval"}
    for order in (configs, configs[::-1]):
        plan = planned(written(tmp_path, {"data_configs": order, "passes": {"x": settings}}))
        assert Path(str(plan.data)).name == "a.jsonl"
        found = plan.values.get("datasets/dataset.yaml: files.held_out")
        assert (Path(found).stem if isinstance(found, str) else found) == held_out


def test_the_flow_decides_which_pass_trains(tmp_path: Path) -> None:
    passes = {"a": {"type": "LoRA", "r": 4}, "b": {"type": "QLoRA", "r": 8}}
    content = {"passes": passes, "pass_flows": [["b"]]}
    plan = planned(written(tmp_path, content))
    assert plan.answers["algo"] == "qlora"
    assert plan.values[f"{PASS}r"] == 8
    gone = {outcome.name: outcome.why for outcome in plan.outcomes if outcome.fate == DROPPED}
    assert "one pass trains" in gone["passes.a.r"]


def test_line_breaks_that_yaml_did_not_read(tmp_path: Path) -> None:
    path = tmp_path / "olive.yaml"
    path.write_text(
        "data_configs:\n- name: a\n  pre_process_data_config:\n"
        r"    text_template: <|user|>\n{q}<|end|>\n<|assistant|>\n{a}<|end|>",
        encoding="utf-8",
    )
    [outcome] = [one for one in planned(path, data="rows").outcomes if "template" in one.name]
    assert outcome.value == ("{q}", "{a}", None)
