"""The winner's passes in olive-config.json: every other character as it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from phi3scaffold.models.catalogue import describe
from phi3scaffold.models.shape import Shape
from phi3scaffold.project.olive_config import OliveConfig, load_config
from phi3scaffold.search.config_text import replace_passes
from phi3scaffold.search.points import (
    Point,
    all_points,
    own_point,
    passes_of,
    with_point,
)
from tests.conftest import command


def shape(name: str) -> Shape:
    """Return the shape of a model of the catalogue."""
    found = describe(name).shape
    assert found is not None
    return found


TINY, TIED = shape("tiny"), shape("smollm2-135m")


@pytest.fixture(scope="module")
def configs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Recipe -> the file that `new` writes."""
    folder = tmp_path_factory.mktemp("projects")
    answers = ("--model", "tiny", "--defaults", "--no-git")
    for recipe in ("default", "best"):
        command("new", recipe, "--recipe", recipe, *answers, cwd=folder)
    return {one.name: one / "fine-tuning" / "olive-config.json" for one in folder.iterdir()}


@pytest.mark.parametrize("recipe", ["default", "best"])
def test_what_the_template_writes_is_a_point_and_is_written_as_it_writes_it(
    recipe: str, configs: dict[str, Path]
) -> None:
    """From one recipe's file to the other recipe's passes: the same characters as `new` writes."""
    config = load_config(configs[recipe])
    points, _ = all_points(config, TINY)
    own = own_point(config, points)
    assert own is not None and own.quantizer == {"default": "rtn", "best": "gptq"}[recipe]
    other = "best" if recipe == "default" else "default"
    wanted = configs[other].read_text(encoding="utf-8")
    point = own_point(load_config(configs[other]), points)
    assert point is not None
    made = replace_passes(configs[recipe].read_text(), config, passes_of(config, point))
    assert behind_merge(made) == behind_merge(wanted)


@pytest.mark.parametrize("recipe", ["default", "best"])
def test_every_other_character_stays(recipe: str, configs: dict[str, Path]) -> None:
    text = configs[recipe].read_text(encoding="utf-8").replace('"seed": 42', '"seed":    42')
    text = text.replace('"int4_accuracy_level": 4', '"int4_accuracy_level":4')
    config = parsed(text, configs[recipe])
    for point in all_points(config, TINY)[0]:
        made = replace_passes(text, config, passes_of(config, point))
        assert json.loads(made) == with_point(config, point).content
        assert '"seed":    42' in made
        start = text.index('"passes"')
        if point.quantizer != "gptq" or recipe == "best":
            assert made.startswith(text[:start])
        end = text.index('"int4_accuracy_level"')
        if point.level == 4:
            assert made.endswith(text[end:])
        if point == own_point(config, [point]):
            assert made == text


def test_quantizers_that_read_rows_get_some_of_the_training_rows(configs: dict[str, Path]) -> None:
    config = load_config(configs["default"])
    made = json.loads(
        replace_passes(
            configs["default"].read_text(), config, passes_of(config, Point(quantizer="gptq"))
        )
    )
    (rows,) = (one for one in made["data_configs"] if one["name"] == "calibration")
    assert rows["load_dataset_config"]["split"] == "train"
    assert rows["pre_process_data_config"]["max_samples"] == 128


def test_only_what_the_model_can_have_is_tried(configs: dict[str, Path]) -> None:
    points, left_out = all_points(load_config(configs["default"]), TIED)
    assert {one.block for one in points} == {16, 32, 64}
    assert "576" in left_out["blocks of 128"]
    assert all(one.head == one.embeddings for one in points)
    assert {one.quantizer for one in points} == {"rtn", "kquant", "gptq"}


def behind_merge(text: str) -> str:
    start, end = text.index('"MergeAdapterWeights"'), text.index('"host"')
    return text[start:end]


def parsed(text: str, path: Path) -> OliveConfig:
    content = json.loads(text)
    return OliveConfig(path, content, content["passes"])
