"""L10: names that are no modules of the model."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.checks.lint.conftest import Make
from tests.checks.lint.helpers import change, everything, fixed, found, one

OLIVE = "fine-tuning/olive-config.json"
LIST = '["qkv_proj", "o_proj", "gate_up_proj", "down_proj"]'


@pytest.mark.parametrize("model", ["tiny", "microsoft/Phi-3-mini-4k-instruct"])
def test_names_of_another_model(make: Make, model: str) -> None:
    """By the weights' own header, and, before there are weights, by the catalogue."""
    root = make(model=model)
    assert found(root, "target_modules") == []
    line = change(root, OLIVE, LIST, '["q_proj", "v_proj",\n "o_proj", "up_proj", "dense"]')
    findings = found(root, "target_modules")
    at = "passes.finetune.target_modules"
    assert [finding.where for finding in findings] == [
        f"{OLIVE}:{line + later}: {at}[{index}]"
        for index, later in ((0, 0), (1, 0), (3, 1), (4, 1))
    ]
    assert str(findings[0].fix).startswith("did you mean qkv_proj?")


def test_parts_become_the_fused_module(make: Make) -> None:
    root = make(model="tiny")
    change(root, OLIVE, LIST, '["q_proj", "k_proj", "v_proj", "o_proj"]')
    assert len(found(root, "target_modules")) == 3
    before = (root / OLIVE).read_text(encoding="utf-8")
    diff = fixed(root)
    assert '-      "target_modules": ["q_proj", "k_proj", "v_proj", "o_proj"],' in diff
    after = (root / OLIVE).read_text(encoding="utf-8")
    assert after == before.replace('"q_proj", "k_proj", "v_proj"', '"qkv_proj"')
    assert everything(root) == []


def test_fused_modules_become_those_of_a_family_that_has_them_apart(make: Make) -> None:
    root = make(model="HuggingFaceTB/SmolLM2-135M-Instruct")
    names = '["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]'
    change(root, OLIVE, names, LIST)
    findings = found(root, "target_modules")
    assert str(findings[0].fix).startswith("did you mean q_proj, k_proj, v_proj?")
    fixed(root)
    assert names in (root / OLIVE).read_text(encoding="utf-8")
    assert found(root, "target_modules") == []


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ('"all-linear"', 0),
        ('".*\\\\.(qkv_proj|o_proj)"', 0),
        ('".*\\\\.query"', 1),
        ('["self_attn.o_proj"]', 0),
        ('["lm_head"]', 0),
        ('["norm"]', 1),
    ],
)
def test_other_ways_to_name_modules(made_once: Make, make: Make, given: str, wrong: int) -> None:
    root = make(model="tiny")
    change(root, OLIVE, LIST, given)
    assert len(found(root, "target_modules")) == wrong


def test_an_unknown_model_before_its_weights_are_here(make: Make) -> None:
    root = make(model="somebody/Phi-3-other")
    change(root, OLIVE, LIST, '["q_proj"]')
    assert found(root, "target_modules") == []


def test_an_unreadable_header_is_for_the_manifest(make: Make) -> None:
    root = make(model="tiny")
    next(Path(root, "model-cache", "base").glob("*.safetensors")).write_bytes(b"short")
    assert found(root, "target_modules") == []


def test_qlora_names_none(make: Make) -> None:
    assert found(make(algo="qlora"), "target_modules") == []


def test_one_name(make: Make) -> None:
    root = make(model="tiny")
    change(root, OLIVE, '"down_proj"]', '"down"]')
    assert str(one(root, "target_modules").fix).startswith("did you mean down_proj?")
