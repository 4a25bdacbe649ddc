"""The other options, pairwise; and the pairs that cannot work, by a table."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from phi3scaffold import catalog, generator
from phi3scaffold.errors import ScaffoldError
from phi3scaffold.generator import template
from tests.template.conftest import without_git

# Everything else is accepted. Why each is refused stands in copier.yml.
REFUSED = {("cpu", "fp16"), ("directml", "int8"), ("directml", "fp32")}
ROUNDED = ("int4", "int8")
TARGETS = template.questions()["target"].choices
PRECISIONS = template.questions()["precision"].choices
RECIPES = template.config()["recipes"]["default"]
ROWS = {
    "classify": [{"phrase": f"text {n}", "tone": "ab"[n % 2]} for n in range(10)],
    "qa": [{"question": f"why {n}?", "answer": "so"} for n in range(10)],
    "chat": [
        {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    ],
}
OPTIONS: dict[str, tuple[str, ...]] = {
    "algo": template.questions()["algo"].choices,
    "target": TARGETS,
    "task": template.questions()["task"].choices,
    "precision": PRECISIONS,
    "recipe": ("", *template.questions()["recipe"].choices),
    "quantizer": ("", *template.questions()["quantizer"].choices),
    "model": ("tiny", "phi-3-mini-4k", "somebody/a-model", "folder"),
    "data": ("sample", "jsonl", "json", "csv"),
}


def fits(case: dict[str, str]) -> bool:
    if case.get("task") == "chat" and case.get("data") == "csv":  # a cell holds no list
        return False
    quantizes = case.get("recipe") or case.get("quantizer")
    if quantizes and case.get("precision", "int4") not in ROUNDED:
        return False
    return (case.get("target"), case.get("precision")) not in REFUSED


def pairwise(options: dict[str, tuple[str, ...]]) -> list[dict[str, str]]:
    """Few cases in which every two values that fit together stand together at least once."""
    names = list(options)
    missing = {
        frozenset({(one, a), (two, b)})
        for one, two in itertools.combinations(names, 2)
        for a in options[one]
        for b in options[two]
        if fits({one: a, two: b})
    }
    cases = []
    while missing:
        case = dict(sorted(min(missing, key=sorted)))
        for name in names:
            if name in case:
                continue
            candidates = [case | {name: value} for value in options[name]]
            case = max(
                (one for one in candidates if fits(one)),
                key=lambda one: len(missing & pairs_of(one)),
            )
        missing -= pairs_of(case)
        cases.append(case)
    return cases


def pairs_of(case: dict[str, str]) -> set[frozenset[tuple[str, str]]]:
    return {frozenset(pair) for pair in itertools.combinations(case.items(), 2)}


@pytest.fixture(autouse=True)
def _quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The plain folder instead of the bundle, and a stand-in for tiny's weights."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    monkeypatch.setattr(catalog, "tiny_folder", lambda: folder)
    with without_git():
        yield


def write_rows(folder: Path, task: str, kind: str) -> Path | None:
    rows = ROWS[task]
    path = folder / f"mine.{kind}"
    if kind == "sample":
        return None
    if kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif kind == "json":
        path.write_text(json.dumps(rows))
    else:
        lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
        path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("case", pairwise(OPTIONS), ids=lambda case: "-".join(case.values()))
def test_pairwise(case: dict[str, str], tmp_path: Path) -> None:
    answers = {name: value for name, value in case.items() if name != "data" and value}
    if case["model"] == "folder":
        answers["model"] = str(tmp_path / "model")
        (tmp_path / "model").mkdir()
        shape = {
            "architectures": ["Phi3ForCausalLM"], "vocab_size": 8, "hidden_size": 8,
            "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1,
        }  # fmt: skip
        (tmp_path / "model" / "config.json").write_text(json.dumps(shape))
        (tmp_path / "model" / "model.safetensors").write_text("x")
    data = write_rows(tmp_path, case["task"], case["data"])
    root = generator.new(tmp_path / "proj", answers, data=data, git=False, wheel=False)

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
    named = {"phi-3-mini-4k": "microsoft/Phi-3-mini-4k-instruct", "folder": answers["model"]}
    assert project["model"]["id"] == named.get(case["model"], case["model"])
    dataset = yaml.safe_load((root / "datasets/dataset.yaml").read_text())
    held_out = dataset["files"]["held_out"]
    assert held_out == (["held-out.jsonl"] if data is None else 0.2)
    for name in dataset["files"]["train"]:
        assert (root / "datasets" / name).is_file()
    assert "{{" not in "".join(
        path.read_text() for path in root.rglob("*") if path.suffix in (".md", ".json", ".yaml")
    )


@pytest.mark.parametrize(("target", "precision"), sorted(REFUSED))
def test_pairs_that_cannot_work(target: str, precision: str, tmp_path: Path) -> None:
    answers = {"target": target, "precision": precision, "task": "qa"}
    destination = tmp_path / "proj"
    with pytest.raises(ScaffoldError) as caught:
        generator.new(destination, answers, git=False, wheel=False)
    assert caught.value.where == "--precision"
    assert caught.value.fix is not None
    assert "use int4" in caught.value.fix
    assert not destination.exists()


def test_all_other_pairs_are_made_above() -> None:
    made = {(case["target"], case["precision"]) for case in pairwise(OPTIONS)}
    assert made | REFUSED == set(itertools.product(TARGETS, PRECISIONS))
    assert not made & REFUSED


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
    assert set(asked["quantizer"].choices) == set(template.config()["quantizers"]["default"])


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
