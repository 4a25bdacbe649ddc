"""Each answer stands where it belongs; pairs that cannot work are refused, by a table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from phi3scaffold import generator
from phi3scaffold.generator import template
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.quantizers import QUANTIZERS
from tests.template.cases import REFUSED, ROUNDED
from tests.template.conftest import ON_THE_HUB, Made, small_tiny, without_git

RECIPES = template.config()["recipes"]["default"]


@pytest.fixture(autouse=True)
def _quick(tmp_path: Path) -> Iterator[None]:
    """The plain folder instead of the bundle, and a stand-in for tiny's weights."""
    with without_git(), small_tiny(tmp_path):
        yield


def test_the_answers_stand_where_they_belong(made: Made) -> None:
    case, root = made.answers, made.root
    olive = json.loads((root / "fine-tuning/olive-config.json").read_text())
    passes = [settings["type"] for settings in olive["passes"].values()]
    assert passes[1] == "MergeAdapterWeights"
    assert passes[-1] == "ModelBuilder"
    if case["precision"] in ROUNDED:
        recipe = RECIPES[case["recipe"] or "default"]
        quantize = olive["passes"]["quantize"]
        assert quantize["type"].lower() == (case["quantizer"] or recipe["quantizer"])
        assert quantize["bits"] == int(case["precision"][3:])
        assert quantize["group_size"] == recipe["block"]
        assert ("mix" in olive["passes"]) is bool(recipe["mixed"] and quantize["bits"] == 4)
        named = [one["name"] for one in olive["data_configs"]]
        assert ("calibration" in named) is (quantize.get("data_config") == "calibration")
        assert ("calibration" in named) is (quantize["type"] == "Gptq")
    else:
        assert len(passes) == 3
        assert olive["passes"]["build"]["precision"] == case["precision"]
    tiny = case["model"] == "tiny"
    assert olive["passes"]["finetune"]["torch_dtype"] == "bfloat16"
    assert (root / "model-cache" / "base").is_dir() is tiny
    assert ("demonstration model" in (root / "README.md").read_text()) is tiny
    project = yaml.safe_load((root / "project.yaml").read_text())
    named = {"phi-3-mini-4k": "microsoft/Phi-3-mini-4k-instruct"}
    if case["model"] == "folder":
        assert (Path(project["model"]["id"]) / "config.json").is_file()
    else:
        assert project["model"]["id"] == named.get(case["model"], case["model"])
    dataset = yaml.safe_load((root / "datasets/dataset.yaml").read_text())
    held_out = dataset["files"]["held_out"]
    files = {"sample": ["held-out.jsonl"], "folder": ["rows/test.jsonl"]}
    assert held_out == files.get(case["rows"], 0.2)
    for name in dataset["files"]["train"]:
        assert (root / "datasets" / name).is_file() or name == ON_THE_HUB


@pytest.mark.parametrize(
    ("target", "precision", "model"),
    [(*pair, "phi-3-mini-4k") for pair in sorted(REFUSED)]
    + [("aml", "fp16", "tiny"), ("arc", "fp16", "tiny")],
)
def test_pairs_that_cannot_work(target: str, precision: str, model: str, tmp_path: Path) -> None:
    answers = {"target": target, "precision": precision, "task": "qa", "model": model}
    destination = tmp_path / "proj"
    with pytest.raises(ScaffoldError) as caught:
        generator.new(destination, answers, git=False, wheel=False)
    assert caught.value.where == "--precision"
    assert caught.value.fix is not None
    assert "use int4" in caught.value.fix
    assert not destination.exists()


def test_no_job_searches_by_the_recipe_auto(tmp_path: Path) -> None:
    answers = {"target": "aml", "recipe": "auto", "task": "qa", "model": "phi-3-mini-4k"}
    with pytest.raises(ScaffoldError) as caught:
        generator.new(tmp_path / "proj", answers, git=False, wheel=False)
    assert caught.value.where == "--recipe" and "optimize --local" in str(caught.value.fix)


def test_every_question_names_its_flag() -> None:
    for question in template.questions().values():
        assert f"({question.flag})" in question.help


def test_defaults_are_choices() -> None:
    for question in template.questions().values():
        fixed = question.choices and question.default is not None
        assert not fixed or question.default in question.choices


def test_every_recipe_is_asked_for_and_names_a_quantizer() -> None:
    asked = template.questions()
    assert set(asked["recipe"].choices) == set(RECIPES)
    assert {one["quantizer"] for one in RECIPES.values()} <= set(asked["quantizer"].choices)
    assert set(asked["quantizer"].choices) == {one.name for one in QUANTIZERS}


def test_a_quantizer_overrides_the_recipes_alone(tmp_path: Path) -> None:
    answers = {"model": "tiny", "recipe": "best", "quantizer": "rtn"}
    root = generator.new(tmp_path / "proj", answers, git=False, wheel=False)
    passes = json.loads((root / "fine-tuning/olive-config.json").read_text())["passes"]
    assert passes["quantize"]["type"] == "Rtn"
    assert passes["mix"]["algorithm"] == RECIPES["best"]["mixed"]


@pytest.mark.parametrize(
    ("answers", "base"),
    [
        ({}, "original"),
        ({"quantizer": "kquant"}, "original"),
        ({"quantizer": "gptq"}, "nf4"),
        ({"recipe": "best"}, "nf4"),
        ({"precision": "int8"}, "nf4"),
        ({"precision": "fp32"}, "nf4"),
    ],
)
def test_the_quantizer_decides_what_qloras_adapter_is_merged_into(
    answers: dict[str, str], base: str, tmp_path: Path
) -> None:
    asked = {"model": "tiny", "algo": "qlora", **answers}
    root = generator.new(tmp_path / "proj", asked, git=False, wheel=False)
    settings = yaml.safe_load((root / "project.yaml").read_text())
    assert settings["merge_base"] == base
