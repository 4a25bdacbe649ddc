"""The algorithms and quantizers have one home; what lists them elsewhere agrees with it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from phi3scaffold.generator import template
from phi3scaffold.generator.render import render
from phi3scaffold.migration.roles import Roles
from phi3scaffold.project import algorithms
from phi3scaffold.project.algorithms import ALGORITHMS, Algorithm
from phi3scaffold.project.olive_config import load_config
from phi3scaffold.project.quantizers import QUANTIZERS
from phi3scaffold.training.olive_runner import PASSES


def test_new_offers_each_that_is_not_refused() -> None:
    algo, quantizer = (template.questions()[name] for name in ("algo", "quantizer"))
    assert list(algo.choices) == [one.name for one in ALGORITHMS if not one.refusal]
    assert algo.refused == {one.name: one.refusal for one in ALGORITHMS if one.refusal}
    assert list(quantizer.choices) == [one.name for one in QUANTIZERS]


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda one: one.name)
def test_the_name_is_the_type_in_small_letters(algorithm: Algorithm) -> None:
    assert algorithm.name == algorithm.olive_type.lower()
    if algorithm.refusal:
        assert "; " in algorithm.refusal and algorithms.algorithm_of(algorithm.instead)
        assert algorithm.name not in PASSES
        return
    assert PASSES[algorithm.name].endswith(f".{algorithm.olive_type}")
    if importlib.util.find_spec("olive"):
        module = importlib.import_module("phi3scaffold.training.passes")
        assert hasattr(module, algorithm.olive_type)


def test_a_made_up_algorithm_is_one_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_up = Algorithm("vera", "VeRA", rank=256, settings={"shared": True})
    monkeypatch.setattr(algorithms, "ALGORITHMS", (*ALGORITHMS, made_up))
    monkeypatch.setattr("phi3scaffold.generator.render.ALGORITHMS", algorithms.ALGORITHMS)
    render(tmp_path / "proj", {"algo": "lora", "target": "cpu", "task": "qa"})
    path = tmp_path / "proj" / "fine-tuning" / "olive-config.json"
    content = json.loads(path.read_text())
    content["passes"]["finetune"] |= {"type": "VeRA", "shared": True}
    path.write_text(json.dumps(content))
    config = load_config(path)
    assert config.algo == "VeRA" and config.names_for("finetune") == ("finetune",)
    assert Roles(content).algo == "vera"
