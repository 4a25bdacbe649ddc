"""Values of old fields that have no place, options that win, and which of several fields count."""

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
from phi3scaffold.migration.plan import DROPPED, UNKNOWN, FieldOutcome
from phi3scaffold.project.errors import ScaffoldError

SAMPLES = Path(__file__).with_name("samples")
PASS = f"{OLIVE}passes.finetune."


def planned(path: Path, **given: Any) -> migration.MigrationPlan:
    return migration.plan(migration.read(path), given)


def outcomes(path: Path, **given: Any) -> dict[str, FieldOutcome]:
    return {outcome.name: outcome for outcome in planned(path, **given).outcomes}


def written(folder: Path, content: dict[str, Any]) -> Path:
    path = folder / "olive-config.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


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


# content, field, what is said of it
SHAPES: list[tuple[dict[str, Any], str, str]] = [
    ({"passes": "lora"}, "passes", "must be an object of objects"),
    ({"passes": ["lora"]}, "passes", "must be an object of objects"),
    ({"passes": {}, "systems": 3}, "systems", "must be an object of objects"),
    ({"passes": {}, "data_configs": "rows"}, "data_configs", "must be a list of objects"),
    ({"passes": {}, "input_model": "microsoft/phi-2"}, "input_model", "must be an object"),
    (
        {"passes": {"x": {"type": "LoRA", "target_modules": {"a": 1}}}},
        "passes.x.target_modules.a",
        "target_modules must be a value or a list",
    ),
    (
        {"passes": {}, "data_configs": [{"name": "x", "load_dataset_config": "rows"}]},
        "data_configs[0].load_dataset_config",
        "must be an object with keys",
    ),
    (
        {
            "passes": {},
            "data_configs": [{"name": "x", "pre_process_data_config": {"text_cols": {"a": 1}}}],
        },
        "data_configs[0].pre_process_data_config.text_cols.a",
        "text_cols must be a value or a list",
    ),
]


@pytest.mark.parametrize(("content", "name", "why"), SHAPES)
def test_another_shape_of_json_is_named_with_its_key(
    content: dict[str, Any], name: str, why: str, tmp_path: Path
) -> None:
    outcome = outcomes(written(tmp_path, content))[name]
    assert why in outcome.why
    assert outcome.look


WRONG: list[Any] = [None, 1, "x", [], {}, [1], {"a": 1}, [{"a": 1}], [[1]], True]


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    if not isinstance(value, (dict, list)):
        return
    for key, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield from places(inner, (*at, key))


@pytest.mark.parametrize("file", ["local-0.6.json", "inline-0.3.json"])
def test_no_shape_of_json_is_a_traceback(file: str, tmp_path: Path) -> None:
    """Every part of a config is replaced by what does not belong there."""
    content = migration.read(SAMPLES / file).content
    for at in list(places(content))[1:]:
        for wrong in WRONG:
            changed = copy.deepcopy(content)
            inner: Any = changed
            for key in at[:-1]:
                inner = inner[key]
            inner[at[-1]] = wrong
            try:
                plan = planned(written(tmp_path, changed))
            except ScaffoldError:
                continue
            assert all(one.at or one.why for one in plan.outcomes)
